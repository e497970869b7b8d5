import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readServerSettings, type ServerSettings } from '../../settings/server-settings.ts';
import { stablePort } from '../../testing/stable-port.ts';
import { listComputers } from '../local-client.ts';
import type { ManagedComputer } from '../managed-computer.ts';
import { interfacePath } from '../run-folder.ts';
import { authorityFolder, enrolmentsOf, type ImagingServer, startServer } from '../serve.ts';
import type { Door } from './scripted-client.ts';

/** An empty file: the defaults, whatever this machine has. */
const NO_SETTINGS = '/dev/null';
const BOUND_MS = 60_000;
const POLL_MS = 20;

/** An imaging server of a test, on a free port of the loopback address. */
export interface Serving {
  readonly settings: ServerSettings;
  readonly stateFolder: string;
  readonly runFolder: string;
  readonly door: Door;
  /** Path of the authority's certificate. */
  readonly authorityFile: string;
  readonly log: readonly string[];
  /** A new secret. */
  enrol(name: string): string;
  /** Waits until the computers are as the test wants them. */
  computers(
    condition: (computers: readonly ManagedComputer[]) => boolean,
  ): Promise<readonly ManagedComputer[]>;
  /** Ends the server and starts it again on the same port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a server that ends with the test. */
export async function startServing(
  test: TestContext,
  {
    graceMs,
    hosts = [],
  }: {
    readonly graceMs?: number;
    /** Further names of the server. */
    readonly hosts?: readonly string[];
  } = {},
): Promise<Serving> {
  const folder = mkdtempSync(join(tmpdir(), 'dfs-'));
  const stateFolder = join(folder, 'state');
  const runFolder = join(folder, 'run');
  const settings = { ...readServerSettings(NO_SETTINGS, stateFolder), listen: '127.0.0.1', port: 0, hosts };
  const log: string[] = [];
  const start = (port: number): Promise<ImagingServer> =>
    startServer({
      settings: { ...settings, port },
      stateFolder,
      runFolder,
      log: (_, line) => log.push(line),
      ...(graceMs === undefined ? {} : { grantGraceMs: graceMs }),
    });
  let server: ImagingServer | undefined = await start(await stablePort());
  const { port } = server;
  const stop = async (): Promise<void> => {
    await server?.close();
    server = undefined;
  };
  test.after(async () => {
    await stop();
    rmSync(folder, { recursive: true });
  });
  const authorityFile = join(authorityFolder(stateFolder), 'certificate.pem');
  return {
    settings,
    stateFolder,
    runFolder,
    door: { port, authority: readFileSync(authorityFile, 'utf8') },
    authorityFile,
    log,
    enrol: (name) => enrolmentsOf(stateFolder).create(name),
    computers: async (condition) => {
      const end = performance.now() + BOUND_MS;
      for (;;) {
        const computers = (await listComputers(interfacePath(runFolder))) ?? [];
        if (condition(computers)) return computers;
        if (performance.now() > end) {
          throw new Error(`the computers are ${JSON.stringify(computers)}; the log: ${log.join('\n')}`);
        }
        await sleep(POLL_MS);
      }
    },
    restart: async () => {
      await stop();
      server = await start(port);
    },
    stop,
  };
}
