import { type CliOption, type Invocation, secondsOption } from './command.ts';

export const RECONNECT_OPTION: CliOption = {
  name: 'reconnect',
  value: 'SECONDS',
  help: 'wait so long for a machine whose connection is lost, 0 for not at all (default 120)',
};

/** In ms. */
export function reconnectOption(invocation: Invocation): number | undefined {
  return invocation.values.get('reconnect') === '0' ? 0 : secondsOption(invocation, 'reconnect');
}
