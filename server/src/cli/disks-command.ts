import { CLIENT_PORT, parseHostAddress } from '@diskferry/protocol/disk-address';
import { listExports, type NbdExport } from '@diskferry/protocol/nbd/client';
import { tlsOf } from '@diskferry/trust/connection-security';
import { formatBytes } from '@diskferry/system/units';
import { findComputer } from '../serve/managed-disk.ts';
import type { ManagedComputer } from '../serve/managed-computer.ts';
import { type CliCommand, type Invocation, JSON_OPTION, secondsOption, TIMEOUT_OPTION } from './command.ts';
import { CONNECTION_OPTIONS, connectionTo } from './connection-options.ts';
import { formatTable, print, printJson } from './output.ts';

export const disksCommand: CliCommand = {
  name: 'disks',
  operands: ['HOST'],
  summary: 'list the disks of a machine that was booted from the diskferry CD',
  details: `HOST is a name or an address, with :PORT if the port is not ${CLIENT_PORT}; or a name of "diskferry computers disks".`,
  options: [JSON_OPTION, TIMEOUT_OPTION, ...CONNECTION_OPTIONS],
  async run(invocation) {
    const [text] = invocation.positionals as [string];
    const computer = await findComputer(text);
    const disks =
      computer === undefined
        ? await disksOfHost(text, invocation)
        : await disksOfComputer(computer, invocation);
    if (invocation.flags.has('json')) printJson(disks);
    else print(disks.length === 0 ? `${text} has no disks` : diskTable(disks));
    return 0;
  },
};

type ListedDisk = NbdExport & { readonly address: string };

async function disksOfHost(text: string, invocation: Invocation): Promise<readonly ListedDisk[]> {
  const { host, port } = parseHostAddress(text);
  const { security } = await connectionTo({ host, port }, invocation);
  const exports = await listExports({ host, port }, { ...limits(invocation), tls: await tlsOf(security) });
  const suffix = port === CLIENT_PORT ? host : `${host}:${port}`;
  return exports.map((disk) => ({ address: `/dev/${disk.name}@${suffix}`, ...disk }));
}

/** Each disk has a socket of its own. */
async function disksOfComputer(
  { name, disks }: ManagedComputer,
  invocation: Invocation,
): Promise<readonly ListedDisk[]> {
  const exports = await Promise.all(
    disks.map(({ socket }) => listExports({ socketPath: socket }, limits(invocation))),
  );
  return exports.flat().map((disk) => ({ address: `/dev/${disk.name}@${name}`, ...disk }));
}

function limits(invocation: Invocation) {
  const requestTimeoutMs = secondsOption(invocation, 'timeout');
  return { signal: invocation.signal, ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }) };
}

function diskTable(disks: readonly ListedDisk[]): string {
  const rows = disks.map(({ address, size, sectorSize, readOnly, description }) => [
    address,
    formatBytes(size),
    `${sectorSize.logical}/${sectorSize.physical}`,
    readOnly ? 'read-only' : 'writable',
    description ?? '',
  ]);
  return formatTable([['ADDRESS', 'SIZE', 'SECTORS', 'ACCESS', 'DISK'], ...rows], [1]);
}
