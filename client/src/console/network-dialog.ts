import type { NicInfo } from '@diskferry/protocol/inventory';
import {
  type NetworkSettings,
  readAddress,
  readGateway,
  readNameServers,
  readVlan,
  type StaticSettings,
} from './network-settings.ts';
import { AnswerError, type Conversation } from './question.ts';

/**
 * Asks for all that a network card needs.
 *
 * @throws {CancelledError}
 */
export async function askNetworkSettings(
  { ask, say }: Conversation,
  nics: readonly NicInfo[],
): Promise<NetworkSettings | undefined> {
  const [first] = nics;
  if (first === undefined) {
    say('There is no network card that could be set up.');
    return undefined;
  }
  const suggestion = (nics.find(({ linkUp }) => linkUp) ?? first).name;
  const adapter =
    nics.length === 1
      ? first.name
      : await ask({ text: 'Network card', suggestion, read: (text) => readAdapter(text, nics) });
  const method = await ask({ text: `${adapter}: dhcp or static`, suggestion: 'dhcp', read: readMethod });
  const settings = method === 'static' ? await askStatic(ask) : undefined;
  const vlan = await ask({ text: 'VLAN number, - for none', suggestion: '-', read: readVlan });
  return settings === undefined
    ? { adapter, vlan, method: 'dhcp' }
    : { adapter, vlan, method: 'static', ...settings };
}

async function askStatic(ask: Conversation['ask']): Promise<StaticSettings> {
  const address = await ask({ text: 'Address/prefix, such as 192.168.0.5/24', read: readAddress });
  const gateway = await ask({
    text: 'Gateway, - for none',
    suggestion: '-',
    read: (text) => readGateway(text, address),
  });
  const nameServers = await ask({
    text: 'Name servers, - for none',
    suggestion: '-',
    read: readNameServers,
  });
  return { address, gateway, nameServers };
}

function readAdapter(text: string, nics: readonly NicInfo[]): string {
  const nic = nics.find(({ name }) => name === text);
  if (nic !== undefined) return nic.name;
  throw new AnswerError(`there is no card "${text}"; there are: ${nics.map(({ name }) => name).join(', ')}`);
}

function readMethod(text: string): 'dhcp' | 'static' {
  const methods = ['dhcp', 'static'] as const;
  const method = methods.find((method) => text !== '' && method.startsWith(text.toLowerCase()));
  if (method === undefined) throw new AnswerError(`"${text}" is neither dhcp nor static`);
  return method;
}
