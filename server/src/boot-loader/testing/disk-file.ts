import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { statSync } from 'node:fs';
import { run } from '@diskferry/system/run';
import type { Workbench } from '../../file-systems/test-devices.ts';
import type { BootFacts, BootMending, WritableDisk } from '../boot-mending.ts';

/** A disk in a file, with loop devices for its partitions. */
export type DiskFile = BootFacts['source'] & WritableDisk & { readonly path: string };

export function diskFile({ session }: Workbench, path: string): DiskFile {
  return {
    path,
    size: statSync(path).size,
    sectorSize: { logical: 512, physical: 512 },
    read: async (offset, length) => {
      const file = openSync(path, 'r');
      try {
        const bytes = Buffer.alloc(length);
        readSync(file, bytes, 0, length, offset);
        return bytes;
      } finally {
        closeSync(file);
      }
    },
    write: async (offset, data) => {
      const file = openSync(path, 'r+');
      try {
        writeSync(file, data, 0, data.length, offset);
      } finally {
        closeSync(file);
      }
    },
    attachPartition: async ({ start, size }) => {
      session.hold({ kind: 'loop', backing: path });
      const part = ['--offset', String(start), '--sizelimit', String(size)];
      const { stdout } = await run(['losetup', '--find', '--show', ...part, path]);
      return stdout.trim();
    },
  };
}

/** Runs all steps against a destination whose partitions are where the facts say. Returns the warnings. */
export async function mend(
  { steps }: BootMending,
  { partitions, session }: Pick<BootFacts, 'partitions' | 'session'>,
  destination: DiskFile,
): Promise<string[]> {
  const warnings: string[] = [];
  for (const step of steps) {
    await step.run(
      destination,
      async (number) => {
        const found = partitions.find((partition) => partition.number === number);
        if (found === undefined) throw new RangeError(`there is no partition ${number}`);
        return destination.attachPartition(found);
      },
      { session, warn: (message) => warnings.push(message) },
    );
  }
  return warnings;
}
