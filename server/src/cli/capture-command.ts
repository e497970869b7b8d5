import { diskSourceOf } from '../attach/disk-source.ts';
import type { CliCommand } from './command.ts';
import { isImageWord, readComputerWord } from './job-operands.ts';
import { captureByJob, COMPUTER_JOB_OPTIONS, NEW_IMAGE_JOB_OPTIONS, serverFor } from './job-transfer.ts';
import { runTransfer } from './run-transfer.ts';
import { formatOf, NEW_IMAGE_OPTIONS, TRANSFER_OPTIONS } from './transfer-options.ts';

export const captureCommand: CliCommand = {
  name: 'capture',
  operands: ['ADDRESS', 'IMAGE'],
  summary: 'capture a disk into a new image',
  details:
    'File systems are made anew and their files are copied, so the image holds nothing of the free space and can have\n' +
    'another size than the disk; what diskferry does not know is copied as sectors, and said. The disk is only read.\n\n' +
    'Where a server is configured, "capture sda@web1 web" is a job of the server: web1 is a registered computer and web\n' +
    'gets its next version in the catalog. Ctrl-C ends the watching, not the job. An IMAGE with a / or an ending such as\n' +
    '.qcow2 is a file, and this machine captures it alone.',
  options: [...NEW_IMAGE_OPTIONS, ...TRANSFER_OPTIONS, ...NEW_IMAGE_JOB_OPTIONS, ...COMPUTER_JOB_OPTIONS],
  async run(invocation) {
    const [address, path] = invocation.positionals as [string, string];
    const computer = isImageWord(path) ? readComputerWord(address) : undefined;
    const server = await serverFor('capture', computer !== undefined, invocation);
    if (server !== undefined && computer !== undefined)
      return captureByJob(server, computer, path, invocation);
    const destination = { kind: 'new-image', path, format: formatOf(path, invocation) } as const;
    return runTransfer({ purpose: 'capture', source: await diskSourceOf(address), destination }, invocation);
  },
};
