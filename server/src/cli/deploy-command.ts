import { diskSourceOf } from '../attach/disk-source.ts';
import type { CliCommand } from './command.ts';
import { isImageWord, readComputerWord } from './job-operands.ts';
import { COMPUTER_JOB_OPTIONS, deployByJob, JOB_OPTIONS, serverFor } from './job-transfer.ts';
import { runTransfer } from './run-transfer.ts';
import { TRANSFER_OPTIONS } from './transfer-options.ts';

export const deployCommand: CliCommand = {
  name: 'deploy',
  operands: ['IMAGE', 'ADDRESS'],
  summary: 'put an image onto a disk, which may be smaller, larger or of other sectors',
  details:
    'Partitions and file systems are made anew to the size of the disk and the files are copied into them. Everything\n' +
    'that was on the disk is lost; it asks before, unless it is empty. IMAGE can be any disk: then it is cloned.\n' +
    'Until the very end the disk has no valid partition table, so that a deploy that was broken off never looks whole.\n\n' +
    'Where a server is configured, "deploy web web1" or "deploy web:3 sda@web1" is a job of the server: web is an image of\n' +
    'its catalog and web1 a registered computer. Ctrl-C ends the watching, not the job. An IMAGE with a / or an ending such\n' +
    'as .qcow2 is a file, and this machine deploys it alone.',
  options: [
    { name: 'yes', help: 'overwrite what is on the disk without asking' },
    ...TRANSFER_OPTIONS,
    ...JOB_OPTIONS,
    ...COMPUTER_JOB_OPTIONS,
  ],
  async run(invocation) {
    const [image, address] = invocation.positionals as [string, string];
    const computer = isImageWord(image) ? readComputerWord(address) : undefined;
    const server = await serverFor('deploy', computer !== undefined, invocation);
    if (server !== undefined && computer !== undefined)
      return deployByJob(server, image, computer, invocation);
    const source = await diskSourceOf(image);
    const destination = { kind: 'disk', disk: await diskSourceOf(address) } as const;
    return runTransfer({ purpose: 'deploy', source, destination }, invocation);
  },
};
