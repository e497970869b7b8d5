import { formatBytes } from '@diskferry/system/units';
import { RefusedError } from '../refused-error.ts';
import { listComputers } from '../serve/local-client.ts';
import type { ManagedComputer } from '../serve/managed-computer.ts';
import { type CliCommand, JSON_OPTION } from './command.ts';
import { formatTable, print, printJson } from './output.ts';

export const computersCommand: CliCommand = {
  name: 'computers',
  operands: [],
  summary: 'list the computers that have dialled "diskferry serve", and the sockets of their disks',
  details:
    'A computer is named by its serial number, else its UUID, else its network card. Write /dev/sda@NAME for a\n' +
    'disk of it, and nbd+unix:///?socket=SOCKET for other NBD programs.',
  options: [JSON_OPTION],
  async run({ flags }) {
    const computers = await listComputers();
    if (computers === undefined) {
      throw new RefusedError(
        'SERVE_MISSING',
        'no "diskferry serve" of this user runs on this machine; start it first',
      );
    }
    if (flags.has('json')) printJson(computers);
    else print(computers.length === 0 ? 'no computer is connected' : table(computers));
    return 0;
  },
};

function table(computers: readonly ManagedComputer[]): string {
  const rows = computers.flatMap((computer) => {
    const { name, address, disks } = computer;
    if (disks.length === 0) return [[name, address, 'no disk', '', '']];
    return disks.map((disk) => [
      `${disk.name}@${name}`,
      address,
      formatBytes(disk.size),
      disk.model ?? '',
      disk.socket,
    ]);
  });
  return formatTable([['DISK', 'FROM', 'SIZE', 'MODEL', 'SOCKET'], ...rows], [2]);
}
