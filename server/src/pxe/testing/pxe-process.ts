import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import { type CliProcess, type CliResult, runCli, startCli } from '../../testing/cli-process.ts';
import type { DhcpQuestion, DhcpReply } from './dhcp-message.ts';
import type { NetNamespace } from './net-namespace.ts';

const READY = /^ready$/m;
const POLL_MS = 50;
const BOUND_MS = 60_000;
/** A server lives as long as all the tests that use it, in ms. */
const SERVER_MS = 30 * 60_000;

/** The folders of one PXE server of a test. */
export interface PxeFolders {
  readonly state: string;
  readonly run: string;
  /** vmlinuz, initrd and the signed loaders, made up. */
  readonly files: string;
  readonly kernel: Buffer;
  readonly initrd: Buffer;
  readonly env: Readonly<Record<string, string>>;
}

/** Makes the folders; they go with the session. */
export function makePxeFolders(): PxeFolders & Disposable {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-pxe-test-'));
  const [state, runFolder, files] = ['state', 'run', 'files'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [runFolder, files]) mkdirSync(path);
  const [kernel, initrd] = [randomBytes(300_001), randomBytes(2_000_000)];
  writeFileSync(join(files, 'vmlinuz'), kernel);
  writeFileSync(join(files, 'initrd'), initrd);
  for (const name of ['shimx64.efi', 'grubx64.efi']) writeFileSync(join(files, name), `${name}, made up`);
  const env = { DISKFERRY_STATE: state, DISKFERRY_RUN: runFolder };
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  return { state, run: runFolder, files, kernel, initrd, env, [Symbol.dispose]: remove };
}

export interface PxeProcess {
  readonly process: CliProcess;
  /** Changes a rule: "allow", "forget" … */
  decide(...words: string[]): Promise<CliResult>;
  /** Waits until the log has a line that the test likes. */
  logged(
    wanted: (line: Readonly<Record<string, unknown>>) => boolean,
    boundMs?: number,
  ): Promise<Readonly<Record<string, unknown>>>;
}

/** Starts `diskferry pxe serve` in a namespace, and waits until it is ready. The session ends it. */
export async function startPxe(
  session: Session,
  folders: PxeFolders,
  where: NetNamespace,
  words: readonly string[],
): Promise<PxeProcess> {
  const options = { env: folders.env, before: where.enter, boundMs: SERVER_MS };
  const cli = startCli(['pxe', 'serve', '--files', folders.files, ...words], options);
  session.holdProcess(cli.pid, 'pxe serve');
  await cli.printed(READY);
  const log = join(folders.state, 'pxe/log.jsonl');
  const decide = async (...rule: string[]): Promise<CliResult> =>
    runCli(['pxe', ...rule], { env: folders.env });
  return {
    process: cli,
    decide,
    logged: async (wanted, boundMs) =>
      eventually(
        () => {
          const lines = existsSync(log) ? readFileSync(log, 'utf8').split('\n') : [];
          const events = lines.slice(0, -1).map((line) => JSON.parse(line) as Record<string, unknown>);
          return events.find(wanted);
        },
        'the event was not logged',
        boundMs,
      ),
  };
}

/** Tries until there is a result; a test that waits too long has failed. */
export async function eventually<T>(
  attempt: () => Promise<T | undefined> | T | undefined,
  complaint: string,
  boundMs = BOUND_MS,
): Promise<T> {
  for (const end = Date.now() + boundMs; Date.now() < end; await sleep(POLL_MS)) {
    const result = await attempt();
    if (result !== undefined) return result;
  }
  throw new Error(complaint);
}

export interface AskedQuestion extends Partial<DhcpQuestion> {
  readonly mac: string;
  /** Addresses of servers that shall answer. */
  readonly awaited: readonly string[];
  /** How long they may take, in ms. */
  readonly patienceMs?: number;
}

/** A question of firmware, sent in a namespace. The defaults are a BIOS that is not iPXE. */
export async function askDhcp(where: NetNamespace, question: AskedQuestion): Promise<readonly DhcpReply[]> {
  const full = {
    architecture: 0,
    uuidBytes: '00'.repeat(16),
    vendorClass: 'PXEClient',
    isIpxe: false,
    patienceMs: BOUND_MS,
    ...question,
  };
  const script = join(import.meta.dirname, 'ask-dhcp.ts');
  const { stdout } = await run([...where.enter, process.execPath, script, JSON.stringify(full)]);
  return JSON.parse(stdout) as readonly DhcpReply[];
}

/** Fetches a URL in a namespace; the status is 0 where nobody listens. */
export async function fetchThere(
  where: NetNamespace,
  url: string,
): Promise<{ readonly status: number; readonly body: Buffer }> {
  const script = `
    const write = (status, body) => process.stdout.write(JSON.stringify({ status, body: body.toString('base64') }));
    try {
      const reply = await fetch(process.argv[1], { signal: AbortSignal.timeout(20_000) });
      write(reply.status, Buffer.from(await reply.arrayBuffer()));
    } catch { write(0, Buffer.alloc(0)); }`;
  const { stdout } = await run([
    ...where.enter,
    process.execPath,
    '--input-type=module',
    '--eval',
    script,
    url,
  ]);
  const { status, body } = JSON.parse(stdout) as { status: number; body: string };
  return { status, body: Buffer.from(body, 'base64') };
}
