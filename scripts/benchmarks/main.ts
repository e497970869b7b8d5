import { cpus } from 'node:os';
import { join } from 'node:path';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { randomBytes } from 'node:crypto';
import { release } from 'node:os';
import { cleanUp, openSession } from '@diskferry/system/session';
import { extendPath } from '@diskferry/system/tools';
import { benchBlocksAndFiles } from './blocks-and-files.ts';
import { benchBootTime } from './boot-time.ts';
import { benchCapture } from './capture-time.ts';
import { benchClientRead } from './client-read.ts';
import { benchMemory } from './memory.ts';
import { benchServer } from './server-load.ts';
import { benchSimulatedDiskRead } from './simulated-disk-read.ts';
import { benchSmallFiles } from './small-files.ts';
import { benchSparseDisk } from './sparse-disk.ts';

const MIB = 1024 * 1024;
/** Must fit into memory together with what is measured; a smaller one is for trying the benchmarks themselves. */
const FILE_BYTES = Number(process.env['DISKFERRY_BENCH_MIB'] ?? 2048) * MIB;
const PIECE_BYTES = 4 * 1024 * 1024;
const PARTS = [
  'client',
  'disk',
  'capture',
  'blocks',
  'files',
  'sparse',
  'small-files',
  'memory',
  'boot',
  'server',
];

extendPath();
const words = process.argv.slice(2);
const unknown = words.filter((word) => !PARTS.includes(word));
if (unknown.length > 0) {
  console.error(`bench: there is no part ${unknown.join(', ')}; choose of: ${PARTS.join(' ')}`);
  process.exit(2);
}
const parts = words.length === 0 ? PARTS : words;
await cleanUp();
await using session = openSession('bench');
const file = join(process.env['TMPDIR'] ?? '/var/tmp', `${session.id}.raw`);

console.log(
  `${cpus().length} processors: ${cpus()[0]?.model}; Linux ${release()}; Node ${process.version}\n`,
);
if (parts.includes('client') || parts.includes('disk')) {
  session.hold({ kind: 'file', path: file });
  await writeRandomFile(file);
}
if (parts.includes('client')) console.log(await benchClientRead(file, FILE_BYTES, session));
if (parts.includes('disk')) console.log(await benchSimulatedDiskRead(file, FILE_BYTES, session));
if (parts.includes('capture')) console.log(await benchCapture(session));
if (parts.includes('blocks')) console.log(await benchBlocksAndFiles('blocks', session));
if (parts.includes('files')) console.log(await benchBlocksAndFiles('files', session));
if (parts.includes('sparse')) console.log(await benchSparseDisk(session));
if (parts.includes('small-files')) console.log(await benchSmallFiles(session));
if (parts.includes('memory')) console.log(await benchMemory(session));
if (parts.includes('boot')) console.log(await benchBootTime(session));
if (parts.includes('server')) console.log(await benchServer());

/** Random, so that no server gains by finding zeros. */
async function writeRandomFile(path: string): Promise<void> {
  async function* pieces() {
    for (let done = 0; done < FILE_BYTES; done += PIECE_BYTES) yield randomBytes(PIECE_BYTES);
  }
  await pipeline(Readable.from(pieces()), createWriteStream(path));
}
