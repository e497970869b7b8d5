import { diskSourceOf } from '../attach/disk-source.ts';
import type { CliCommand } from './command.ts';
import { runTransfer } from './run-transfer.ts';
import { formatOf, NEW_IMAGE_OPTIONS, TRANSFER_OPTIONS } from './transfer-options.ts';

export const captureCommand: CliCommand = {
  name: 'capture',
  operands: ['ADDRESS', 'IMAGE'],
  summary: 'capture a disk into a new image',
  details:
    'File systems are made anew and their files are copied, so the image holds nothing of the free space and can have\n' +
    'another size than the disk; what diskferry does not know is copied as sectors, and said. The disk is only read.',
  options: [...NEW_IMAGE_OPTIONS, ...TRANSFER_OPTIONS],
  async run(invocation) {
    const [address, path] = invocation.positionals as [string, string];
    const destination = { kind: 'new-image', path, format: formatOf(path, invocation) } as const;
    return runTransfer({ purpose: 'capture', source: await diskSourceOf(address), destination }, invocation);
  },
};
