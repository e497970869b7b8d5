import { CLIENT_PORT, parseHostAddress } from '@diskferry/protocol/disk-address';
import { listExports, type NbdExport } from '@diskferry/protocol/nbd/client';
import { tlsOf } from '@diskferry/trust/connection-security';
import { formatBytes } from '@diskferry/system/units';
import { type CliCommand, JSON_OPTION, secondsOption, TIMEOUT_OPTION } from './command.ts';
import { CONNECTION_OPTIONS, connectionTo } from './connection-options.ts';
import { formatTable, print, printJson } from './output.ts';

export const disksCommand: CliCommand = {
  name: 'disks',
  operands: ['HOST'],
  summary: 'list the disks of a machine that was booted from the diskferry CD',
  details: `HOST is a name or an address, with :PORT if the port is not ${CLIENT_PORT}.`,
  options: [JSON_OPTION, TIMEOUT_OPTION, ...CONNECTION_OPTIONS],
  async run(invocation) {
    const [text] = invocation.positionals as [string];
    const { host, port } = parseHostAddress(text);
    const requestTimeoutMs = secondsOption(invocation, 'timeout');
    const { security } = await connectionTo({ host, port }, invocation);
    const tls = await tlsOf(security);
    const exports = await listExports(
      { host, port },
      { tls, signal: invocation.signal, ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }) },
    );
    const suffix = port === CLIENT_PORT ? host : `${host}:${port}`;
    const disks = exports.map((disk) => ({ address: `/dev/${disk.name}@${suffix}`, ...disk }));
    if (invocation.flags.has('json')) printJson(disks);
    else print(disks.length === 0 ? `${text} has no disks` : diskTable(disks));
    return 0;
  },
};

function diskTable(disks: readonly (NbdExport & { readonly address: string })[]): string {
  const rows = disks.map(({ address, size, sectorSize, readOnly, description }) => [
    address,
    formatBytes(size),
    `${sectorSize.logical}/${sectorSize.physical}`,
    readOnly ? 'read-only' : 'writable',
    description ?? '',
  ]);
  return formatTable([['ADDRESS', 'SIZE', 'SECTORS', 'ACCESS', 'DISK'], ...rows], [1]);
}
