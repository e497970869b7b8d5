import { CLIENT_PORT, controlPortOf, parseHostAddress } from '@diskferry/protocol/disk-address';
import { type CliCommand, JSON_OPTION, portOption, TIMEOUT_OPTION } from './command.ts';
import { CONTROL_PORT_OPTION, pairNow } from './connection-options.ts';
import { printJson } from './output.ts';

export const pairCommand: CliCommand = {
  name: 'pair',
  operands: ['HOST', 'CODE'],
  summary: 'let this server in to a machine that was booted from the diskferry CD',
  details:
    `HOST is a name or an address, with :PORT if its disks are not at port ${CLIENT_PORT}; CODE is on its screen. Both\n` +
    "sides know each other's key then, until the machine is started anew. Other commands do the same with --pair CODE.",
  options: [CONTROL_PORT_OPTION, JSON_OPTION, TIMEOUT_OPTION],
  async run(invocation) {
    const [text, code] = invocation.positionals as [string, string];
    const { host, port } = parseHostAddress(text);
    const controlPort = portOption(invocation, 'control-port') ?? controlPortOf(port);
    const fingerprint = await pairNow({ host, port, controlPort }, code, invocation);
    if (invocation.flags.has('json')) printJson({ host, port, controlPort, fingerprint });
    return 0;
  },
};
