import type { Difference } from '../compare/difference.ts';

/** One property of a volume that is not as it should be. */
export interface VolumeDifference {
  readonly name: string;
  readonly wanted: string;
  readonly made: string;
}

/** Compares the facts of these names. */
export function differingFacts<Name extends string>(
  names: readonly Name[],
  wanted: Readonly<Record<Name, unknown>>,
  made: Readonly<Record<Name, unknown>>,
): VolumeDifference[] {
  return names
    .filter((name) => wanted[name] !== made[name])
    .map((name) => ({ name, wanted: String(wanted[name]), made: String(made[name]) }));
}

/** What is said of it while the twin is made. */
export function sentenceOf({ name, wanted, made }: VolumeDifference): string {
  return `the ${name} of the new file system is "${made}", it was "${wanted}"`;
}

/** What a comparison says of it. */
export function asDifference({ name, wanted, made }: VolumeDifference): Difference {
  return { path: '', property: name, left: wanted, right: made, isSetting: true };
}
