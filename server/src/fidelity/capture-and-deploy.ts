import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { type Command, run } from '@diskferry/system/run';
import type { Difference } from '../compare/difference.ts';
import type { FileSystem } from '../file-systems/file-system.ts';
import { recogniseFileSystem } from '../file-systems/recognise.ts';
import type { Workbench } from '../file-systems/test-devices.ts';
import type { Subject } from './subject.ts';

const MIB = 1024 * 1024;
/** Old data is where a new file system has its structures. */
const OLD_DATA_BYTES = 64 * MIB;

/** A copy of a file system. */
export interface Copy {
  readonly device: string;
  readonly fileSystem: FileSystem;
  readonly differences: readonly Difference[];
}

/** What became of a file system on its way. */
export interface Copies {
  readonly copies: readonly [captured: Copy, deployed: Copy];
  readonly notes: string;
}

/**
 * Makes a file system, a copy of it and a copy of the copy, the second one on a used device of another size.
 *
 * @param plant puts on it what is to be carried
 */
export async function captureAndDeploy(
  bench: Workbench,
  { make, bytes, secondBytes, how }: Pick<Subject, 'make' | 'bytes' | 'secondBytes' | 'how'>,
  plant: (device: string) => Promise<void>,
): Promise<Copies> {
  const sourceFile = bench.file('source', bytes);
  const source = await bench.loop(sourceFile);
  await run([...make, source] as Command);
  await plant(source);
  const first = await bench.loop(bench.file('first copy', bytes));
  const second = await usedDevice(bench, secondBytes);

  const original = await recogniseFileSystem(source, { session: bench.session });
  assert.equal(original.how, how, original.notes.join());
  const captured = await copy(bench, original, [source, first], true);
  // The computer is gone when its image is deployed; the kernel would confuse the two Btrfs of one UUID.
  await bench.session.release({ kind: 'loop', backing: sourceFile });
  const between = await recogniseFileSystem(first, { session: bench.session });
  const deployed = await copy(bench, between, [first, second], false);
  return { copies: [captured, deployed], notes: original.notes.join('\n') };
}

async function copy(
  bench: Workbench,
  fileSystem: FileSystem,
  [from, to]: readonly [from: string, to: string],
  zeroed: boolean,
): Promise<Copy> {
  const context = { ...bench.context, zeroed };
  await fileSystem.create(to, context);
  await fileSystem.copy(from, to, context);
  return { device: to, fileSystem, differences: await fileSystem.verify(from, to, context) };
}

async function usedDevice(bench: Workbench, bytes: number): Promise<string> {
  const path = bench.file('second copy', bytes);
  const file = await open(path, 'r+');
  const old = Buffer.alloc(MIB, 'what was here before');
  for (let offset = 0; offset < Math.min(bytes, OLD_DATA_BYTES); offset += MIB) {
    await file.write(old, 0, MIB, offset);
  }
  await file.close();
  return bench.loop(path);
}
