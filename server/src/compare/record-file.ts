import { createReadStream, createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import type { FileRecord } from './describe-tree.ts';

/** Writes what is known of a tree into a file, for a comparison with another one that cannot be mounted together. */
export async function writeRecords(
  path: string,
  batches: AsyncIterable<readonly FileRecord[]>,
): Promise<void> {
  const lines = Readable.from(linesOf(batches));
  await pipeline(lines, createGzip({ level: 1 }), createWriteStream(path, { mode: 0o600 }));
}

async function* linesOf(batches: AsyncIterable<readonly FileRecord[]>): AsyncGenerator<string> {
  for await (const batch of batches) yield batch.map((record) => `${JSON.stringify(record)}\n`).join('');
}

/** Reads what `writeRecords` wrote, in its order. */
export async function* readRecords(path: string): AsyncGenerator<FileRecord[]> {
  const file = createReadStream(path);
  const input = file.pipe(createGunzip());
  file.on('error', (error) => input.destroy(error));
  try {
    for await (const line of createInterface({ input })) yield [JSON.parse(line) as FileRecord];
  } finally {
    file.destroy();
  }
}
