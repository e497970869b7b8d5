import { diskSourceOf } from '../attach/disk-source.ts';
import type { CliCommand } from './command.ts';
import { runTransfer } from './run-transfer.ts';
import { TRANSFER_OPTIONS } from './transfer-options.ts';

export const deployCommand: CliCommand = {
  name: 'deploy',
  operands: ['IMAGE', 'ADDRESS'],
  summary: 'put an image onto a disk, which may be smaller, larger or of other sectors',
  details:
    'Partitions and file systems are made anew to the size of the disk and the files are copied into them. Everything\n' +
    'that was on the disk is lost; it asks before, unless it is empty. IMAGE can be any disk: then it is cloned.\n' +
    'Until the very end the disk has no valid partition table, so that a deploy that was broken off never looks whole.',
  options: [{ name: 'yes', help: 'overwrite what is on the disk without asking' }, ...TRANSFER_OPTIONS],
  async run(invocation) {
    const [image, address] = invocation.positionals as [string, string];
    const source = await diskSourceOf(image);
    const destination = { kind: 'disk', disk: await diskSourceOf(address) } as const;
    return runTransfer({ purpose: 'deploy', source, destination }, invocation);
  },
};
