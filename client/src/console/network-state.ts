import { listFolder, readAttribute } from '../sysfs.ts';

/** The folder in which boot-image/rootfs/usr/lib/diskferry/network-state.sh writes, below the root. */
const STATE_FOLDER = 'run/diskferry/network';
const KNOWN_WORDS = ['asking', 'no-answer', 'bound', 'static', 'failed', 'off'] as const;

/** How it stands with the address of a network card, as the scripts of the secondary OS tell. */
export interface NetworkState {
  /** The kernel's name of the card, such as "eth0". */
  readonly adapter: string;
  readonly word: (typeof KNOWN_WORDS)[number];
  /** In seconds since the kernel was started. */
  readonly since: number;
  /** An address, or a reason. */
  readonly words: string;
}

/** All cards that the scripts have attended to; what cannot be understood is left out. */
export function readNetworkStates(root = '/'): readonly NetworkState[] {
  const folder = `${root}/${STATE_FOLDER}`;
  return listFolder(folder)
    .filter((name) => !name.startsWith('.'))
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .map((name) => parseNetworkState(name, readAttribute(folder, name) ?? ''))
    .filter((state) => state !== undefined);
}

/** Understands the line `STATE SINCE [WORDS]`. */
export function parseNetworkState(adapter: string, line: string): NetworkState | undefined {
  const [, first, since, words = ''] = /^([a-z-]+) (\d{1,12})(?: (.*))?$/.exec(line) ?? [];
  const word = KNOWN_WORDS.find((known) => known === first);
  return word === undefined ? undefined : { adapter, word, since: Number(since), words };
}

/** Seconds since the kernel was started, from the text of /proc/uptime; 0 where it does not say. */
export function parseUptime(text: string): number {
  return Number(/^(\d+)\.\d+ /.exec(text)?.[1] ?? 0);
}
