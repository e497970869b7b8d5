import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { type BootedClient, withBootedClient } from '@diskferry/qemu-tests/booted-client';
import type { SourceKind } from '@diskferry/qemu-tests/source-computers/layout';
import {
  makeSourceComputer,
  type SourceComputer,
} from '@diskferry/qemu-tests/source-computers/source-computer';
import { sha256Of, workCopy } from '@diskferry/qemu-tests/work-files';
import { formatTable } from '@diskferry/server/cli/output';
import { cleanUp, openSession, type Session } from '@diskferry/system/session';
import { extendPath } from '@diskferry/system/tools';
import { formatBytes } from '@diskferry/system/units';

const CHECKOUT = join(import.meta.dirname, '..');
const IMAGES = join(CHECKOUT, 'dist/demo');
const DISKFERRY = join(CHECKOUT, 'server/bin/diskferry.js');

const COMPUTERS = {
  'bios-mbr': { medium: 'cd', bus: 'ahci', disk: 'sda', words: 'BIOS, MBR: ext4 and swap; booted from CD' },
  'uefi-gpt': {
    medium: 'usb-stick',
    bus: 'nvme',
    disk: 'nvme0n1',
    words: 'UEFI, GPT: ESP and ext4; booted from USB',
  },
} as const satisfies Record<SourceKind, object>;

/** The part of `diskferry capture --json` that the table shows. */
interface CaptureReport {
  readonly usedBytes: number;
  readonly allocatedBytes: number;
  readonly sourceBytesRead: number;
  readonly elapsedMs: number;
}

interface Row {
  readonly kind: SourceKind;
  readonly computer: SourceComputer;
  readonly report: CaptureReport;
  readonly unchanged: boolean;
  readonly boots: boolean;
}

async function demonstrate(kind: SourceKind, session: Session): Promise<Row> {
  const { medium, bus, disk, words } = COMPUTERS[kind];
  say(`\n== ${kind}: ${words}`);
  say(
    'making the source computer: Debian 12, its free space full of deleted random bytes (cached afterwards)',
  );
  const computer = await makeSourceComputer(kind, { onProgress: say });
  const source = await workCopy(session, computer.diskPath, `${kind}.raw`);
  const before = await sha256Of(source);
  const image = join(IMAGES, `${kind}.qcow2`);
  await rm(image, { force: true });

  say(`booting it in QEMU from dist/diskferry.iso, with 256 MB of memory`);
  const boot = {
    name: `demo-${kind}`,
    session,
    medium,
    firmware: computer.firmware,
    disks: [{ path: source, format: 'raw', bus }],
  } as const;
  const report = await withBootedClient(boot, async (client) => captureOver(client, disk, image));
  const unchanged = (await sha256Of(source)) === before;

  say(`$ diskferry boot ${image}`);
  const boots = (await diskferry(['boot', image, '--json'])).exitCode === 0;
  if (boots) say('it shows a login prompt');
  return { kind, computer, report, unchanged, boots };
}

async function captureOver(client: BootedClient, disk: string, image: string): Promise<CaptureReport> {
  const words = ['capture', ...client.connectionWords, client.diskAddress(disk), image];
  say(
    `it waits for the server; pairing by the code on its screen and capturing its disk:\n$ diskferry ${words.join(' ')}`,
  );
  const { exitCode, stdout } = await diskferry([...words, '--json']);
  if (exitCode !== 0) throw new Error(`the capture failed with exit code ${exitCode}`);
  return JSON.parse(stdout) as CaptureReport;
}

/** Runs the command line with its progress in sight, which run() would hold back until the end. */
async function diskferry(words: readonly string[]): Promise<{ exitCode: number | null; stdout: string }> {
  const child = spawn(process.execPath, [DISKFERRY, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [stdout, [exitCode]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  return { exitCode: exitCode as number | null, stdout };
}

function summary(rows: readonly Row[]): string {
  const head = [
    'computer',
    'disk',
    'used',
    'image',
    'image ÷ used',
    'read',
    'seconds',
    'source unchanged',
    'boots',
  ];
  const cells = rows.map(({ kind, computer, report, unchanged, boots }) => [
    kind,
    formatBytes(computer.diskBytes),
    formatBytes(computer.usedBytes),
    formatBytes(report.allocatedBytes),
    (report.allocatedBytes / computer.usedBytes).toFixed(2),
    formatBytes(report.sourceBytesRead),
    (report.elapsedMs / 1000).toFixed(0),
    unchanged ? 'yes' : 'NO',
    boots ? 'yes' : 'NO',
  ]);
  return formatTable([head, ...cells], [1, 2, 3, 4, 5, 6]);
}

function say(line: string): void {
  console.log(line);
}

const { positionals } = parseArgs({ allowPositionals: true });
const known = Object.keys(COMPUTERS) as SourceKind[];
const chosen = known.filter((kind) => positionals.length === 0 || positionals.includes(kind));
if (chosen.length < positionals.length) {
  console.error(`demo: give no words, or some of: ${known.join(' ')}`);
  process.exit(2);
}
extendPath();
await cleanUp();
await mkdir(IMAGES, { recursive: true });
await using session = openSession('demo');
const rows: Row[] = [];
for (const kind of chosen) rows.push(await demonstrate(kind, session));
say(
  `\n${summary(rows)}\n\nThe images are in dist/demo/. Look into one: npx diskferry attach dist/demo/${chosen[0]}.qcow2 /mnt/demo`,
);
if (rows.some(({ unchanged, boots }) => !unchanged || !boots)) process.exitCode = 1;
