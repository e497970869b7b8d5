import type { WantedOption } from './options.ts';

/** An option that kconfig dropped or changed, which it does without a word. */
export interface LostOption {
  readonly wanted: WantedOption;
  /** What the option came to be; undefined for "not set" and for a name that kconfig does not know. */
  readonly got: string | undefined;
}

/**
 * The options that are not in a real .config as they were wanted. kconfig drops an option whose dependencies are not met or
 * whose name a new version no longer knows, and overrides one that another option selects; it reports neither.
 */
export function lostOptions(wanted: readonly WantedOption[], config: string): LostOption[] {
  const real = new Map<string, string>();
  for (const line of config.split('\n')) {
    const equals = line.indexOf('=');
    if (!line.startsWith('#') && equals > 0) real.set(line.slice(0, equals), line.slice(equals + 1));
  }
  return wanted
    .map((option) => ({ wanted: option, got: notNo(real.get(option.name)) }))
    .filter(({ wanted: option, got }) => got !== notNo(option.value));
}

/** kconfig knows a text that is empty also as one that is not set. */
function notNo(value: string | undefined): string | undefined {
  return value === '""' ? undefined : value;
}

/** Pairs of lines that want different values of one option, or the same value twice. */
export function repeatedOptions(wanted: readonly WantedOption[]): [WantedOption, WantedOption][] {
  const first = new Map<string, WantedOption>();
  return wanted.flatMap((option) => {
    const earlier = first.get(option.name);
    if (earlier === undefined) first.set(option.name, option);
    return earlier === undefined ? [] : [[earlier, option]];
  });
}

/** One line an option, for people. */
export function describeLoss({ wanted, got }: LostOption): string {
  const name = (value: string | undefined): string => (value === undefined ? 'not set' : value);
  return `${wanted.where}: ${wanted.name} was to be ${name(wanted.value)}, and is ${name(got)}`;
}
