import { diskSourceOf } from '../attach/disk-source.ts';
import { UsageError } from '@diskferry/system/errors';
import type { CliCommand } from './command.ts';
import { isImageWord } from './job-operands.ts';
import { convertByJob, NEW_IMAGE_JOB_OPTIONS, serverFor } from './job-transfer.ts';
import { runTransfer } from './run-transfer.ts';
import { formatOf, NEW_IMAGE_OPTIONS, TRANSFER_OPTIONS } from './transfer-options.ts';

export const convertCommand: CliCommand = {
  name: 'convert',
  operands: ['IMAGE', 'NEW-IMAGE'],
  summary: 'make a new image of another: other format, size, sectors, layout',
  details:
    'Files are copied as in a capture, so the new image holds nothing of the free space. The old one is only read.\n\n' +
    'Where a server is configured, names without a / and an ending such as .qcow2 are images of its catalog, and it is a job.',
  options: [...NEW_IMAGE_OPTIONS, ...TRANSFER_OPTIONS, ...NEW_IMAGE_JOB_OPTIONS],
  async run(invocation) {
    const [image, path] = invocation.positionals as [string, string];
    const server = await serverFor('convert', isImageWord(image) && isImageWord(path), invocation);
    if (server !== undefined) return convertByJob(server, image, path, invocation);
    const source = await diskSourceOf(image);
    if (source.kind !== 'image')
      throw new UsageError('convert takes the paths of images; for a disk use capture');
    const destination = { kind: 'new-image', path, format: formatOf(path, invocation) } as const;
    return runTransfer({ purpose: 'convert', source, destination }, invocation);
  },
};
