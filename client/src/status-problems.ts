import type { Controller } from './console/missing-hardware.ts';
import type { NetworkState } from './console/network-state.ts';
import type { StatusState } from './status.ts';

/** What keeps the computer from being of use, and what can be done about it. */
export interface Problem {
  /** A few words for the first lines. */
  readonly title: string;
  readonly text: string;
}

export interface ProblemOptions {
  /** Whether somebody could set the network up at this screen. */
  readonly hasKeys: boolean;
  /** Writes a time that runs on. */
  readonly seconds: (seconds: number) => string;
}

/** All that is wrong; none of it ends the client, which looks for each to go away. */
export function problemsOf(
  state: StatusState,
  address: string | undefined,
  options: ProblemOptions,
): readonly Problem[] {
  return [
    ...state.network.filter(({ word }) => word === 'failed').map(failedSettings),
    ...(address === undefined ? networkProblems(state, options) : []),
    ...(state.inventory.disks.length === 0 ? [noDisk(state.controllers)] : []),
    ...serverProblems(state),
  ];
}

function failedSettings({ adapter, words }: NetworkState): Problem {
  return {
    title: `${adapter} does not work`,
    text: `${adapter}: ${words}. Press N to set it up otherwise.`,
  };
}

function networkProblems({ inventory, network, controllers, uptime }: StatusState, options: ProblemOptions) {
  const { nics } = inventory;
  if (nics.length === 0) return [noNic(controllers)];
  const linked = nics.filter(({ linkUp }) => linkUp).map(({ name }) => name);
  if (linked.length === 0) return [noLink(nics.map(({ name }) => name))];
  const of = (word: NetworkState['word']): readonly NetworkState[] =>
    network.filter((state) => state.word === word && linked.includes(state.adapter));
  const unanswered = of('no-answer');
  if (unanswered.length > 0 && of('asking').length === 0) return [noAnswer(unanswered, uptime, options)];
  return of('off').map(leftOut);
}

function noNic(controllers: readonly Controller[]): Problem {
  return {
    title: 'no network card',
    text:
      `No network card was found. ${describeControllers(controllers, 'network')} Use a medium with more drivers, or plug in ` +
      'a USB network adapter: it is taken as soon as it is there.',
  };
}

function noLink(names: readonly string[]): Problem {
  return {
    title: 'no network cable',
    text: `No link at ${names.join(', ')}. See whether the cable is plugged in at both ends, and whether the switch is on; it is noticed at once.`,
  };
}

function noAnswer(
  states: readonly NetworkState[],
  uptime: number,
  { hasKeys, seconds }: ProblemOptions,
): Problem {
  const names = states.map(({ adapter }) => adapter).join(', ');
  const age = seconds(Math.max(0, uptime - Math.min(...states.map(({ since }) => since))));
  const help = hasKeys ? 'press N to set a static address' : 'give ip= on the kernel command line';
  return {
    title: 'no DHCP answer',
    text:
      `No DHCP server has answered at ${names} for ${age}; still asking. See whether this network has one, and whether the ` +
      `cable is in the right network, or ${help}.`,
  };
}

function leftOut({ adapter }: NetworkState): Problem {
  return {
    title: 'no network address',
    text: `${adapter} is left out by ip= on the kernel command line. Press N to set it up.`,
  };
}

function noDisk(controllers: readonly Controller[]): Problem {
  return {
    title: 'no disk',
    text:
      `No disk was found. ${describeControllers(controllers, 'storage')} See whether the disks have power and whether the ` +
      "firmware's set-up has the controller switched on, not hidden behind a RAID mode; a disk is shown as soon as it is there.",
  };
}

function describeControllers(controllers: readonly Controller[], kind: Controller['kind']): string {
  const own = controllers.filter((controller) => controller.kind === kind);
  if (own.length === 0) return `No ${kind} controller is seen on PCI either.`;
  const without = own.filter(({ driver }) => driver === undefined).map(({ id }) => id);
  const driven = own.flatMap(({ id, driver }) => (driver === undefined ? [] : [`${driver} for ${id}`]));
  return [
    ...(without.length === 0 ? [] : [`This medium has no driver for ${without.join(', ')} (vendor:device).`]),
    ...(driven.length === 0 ? [] : [`Tried: ${driven.join(', ')}, which found nothing.`]),
  ].join(' ');
}

/** In full it stands beside the name of the server. */
function serverProblems({ access }: StatusState): Problem[] {
  if (access.kind !== 'managed' || access.trouble === undefined) return [];
  return [{ title: 'no connection with the server', text: '' }];
}
