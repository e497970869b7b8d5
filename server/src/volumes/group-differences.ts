import type { Difference } from '../compare/difference.ts';
import { formatLvmText, isSection, type LvmSection, type LvmValue } from './lvm-text.ts';
import type { VolumeGroup } from './volume-group.ts';

/** LVM counts its own changes, and notes where it found a device last. */
const OWN_NOTES = new Set([
  'seqno',
  'device',
  'device_id',
  'device_id_type',
  'contents',
  'version',
  'description',
]);
const OWN_TIMES = new Set(['creation_host', 'creation_time']);

/** What LVM says otherwise of two groups: names and identifiers, tags, sizes and places of volumes. */
export function differencesOfGroups(expected: VolumeGroup, made: VolumeGroup): Difference[] {
  const left = flatten(withoutOwnTimes(expected.text));
  const right = flatten(withoutOwnTimes(made.text));
  return [...new Set([...left.keys(), ...right.keys()])]
    .filter((name) => left.get(name) !== right.get(name))
    .map((name) => ({
      path: '',
      property: `LVM's ${name}`,
      left: left.get(name) ?? 'missing',
      right: right.get(name) ?? 'missing',
    }));
}

/** At the top they tell when the text was written; those of a volume are its own. */
function withoutOwnTimes(text: LvmSection): LvmSection {
  return Object.fromEntries(Object.entries(text).filter(([name]) => !OWN_TIMES.has(name)));
}

/** Each value under its full name, such as `vg/logical_volumes/root/id`. */
function flatten(section: LvmSection, prefix = ''): Map<string, string> {
  return new Map(
    Object.entries(section)
      .filter(([name]) => !OWN_NOTES.has(name))
      .flatMap(([name, value]: [string, LvmValue | LvmSection]) =>
        isSection(value)
          ? [...flatten(value, `${prefix}${name}/`)]
          : [[`${prefix}${name}`, formatLvmText({ value }).trim()] as const],
      ),
  );
}
