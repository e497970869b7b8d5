import { CLIENT_PORT, parseHostAddress } from '@diskferry/protocol/disk-address';
import type { Inventory } from '@diskferry/protocol/inventory';
import { tlsOf } from '@diskferry/trust/connection-security';
import { formatBytes } from '@diskferry/system/units';
import { fetchInventory } from '../control/fetch-inventory.ts';
import { findComputer } from '../serve/managed-disk.ts';
import { type CliCommand, type Invocation, JSON_OPTION, secondsOption, TIMEOUT_OPTION } from './command.ts';
import { CONNECTION_OPTIONS, connectionTo } from './connection-options.ts';
import { formatTable, print, printJson } from './output.ts';

export const inventoryCommand: CliCommand = {
  name: 'inventory',
  operands: ['HOST'],
  summary: 'show what computer a booted machine is: firmware, processors, memory, network, disks',
  details:
    `HOST is a name or an address, with :PORT if its disks are not at port ${CLIENT_PORT}; or a name of\n` +
    '"diskferry computers disks".',
  options: [JSON_OPTION, TIMEOUT_OPTION, ...CONNECTION_OPTIONS],
  async run(invocation) {
    const [text] = invocation.positionals as [string];
    const inventory = (await findComputer(text))?.inventory ?? (await inventoryOfHost(text, invocation));
    if (invocation.flags.has('json')) printJson(inventory);
    else print(inventoryTable(inventory));
    return 0;
  },
};

async function inventoryOfHost(text: string, invocation: Invocation): Promise<Inventory> {
  const { host, port } = parseHostAddress(text);
  const { security, controlPort } = await connectionTo({ host, port }, invocation);
  return fetchInventory(
    { host, port: controlPort },
    {
      tls: await tlsOf(security),
      signal: invocation.signal,
      timeoutMs: secondsOption(invocation, 'timeout'),
    },
  );
}

function inventoryTable({ computer, processors, memoryBytes, nics, disks }: Inventory): string {
  const words = (...parts: (string | undefined)[]) => parts.filter((part) => part !== undefined).join(' ');
  return formatTable([
    ['computer', words(computer.manufacturer, computer.product, computer.version)],
    ['firmware', words(computer.firmware, computer.biosVendor, computer.biosVersion)],
    ['serial', computer.serial ?? ''],
    ['uuid', computer.uuid ?? ''],
    ['processors', `${processors.model}, ${processors.cores} cores, ${processors.threads} threads`],
    ['memory', formatBytes(memoryBytes)],
    ...nics.map(({ name, mac, addresses }) => [`network ${name}`, words(mac, ...addresses)]),
    ...disks.map(({ name, size, model, serial, transport }) => [
      `disk ${name}`,
      words(formatBytes(size), transport, model, serial),
    ]),
  ]);
}
