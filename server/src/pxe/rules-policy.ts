import {
  type BootPolicy,
  type Decision,
  type Gate,
  type MachineFacts,
  type Ruling,
  UNKNOWN_MACHINES,
} from './boot-decision.ts';
import type { BootRule, BootRules } from './boot-rules.ts';
import { machineKeyOf } from './machine-key.ts';

/**
 * Decides by the rules file: by MAC address first, then by UUID, else what counts for machines that nobody named.
 *
 * @param secureBoot whether all UEFI machines get signed loaders, and not only those whose rule says so
 */
export function policyOf(rules: BootRules, unknown: Decision, secureBoot = false): BootPolicy {
  return {
    decide: async (machine) => rulingOf(rules.read(), machine, unknown),
    booted: async ({ mac, uuid }) => rules.spend(uuid === undefined ? [mac] : [mac, uuid]),
    gate: async () => gateOf(rules.read(), unknown, secureBoot),
    onChange: (listener) => rules.onChange(listener),
  };
}

function rulingOf(
  rules: ReadonlyMap<string, BootRule>,
  { mac, uuid }: MachineFacts,
  unknown: Decision,
): Ruling {
  const byMac = rules.get(mac);
  if (byMac !== undefined) return { decision: byMac.decision, by: 'mac' };
  const byUuid = uuid === undefined ? undefined : rules.get(uuid);
  if (byUuid !== undefined) return { decision: byUuid.decision, by: 'uuid' };
  return { decision: unknown, by: 'unknown' };
}

function gateOf(rules: ReadonlyMap<string, BootRule>, unknown: Decision, secureBoot: boolean): Gate {
  const answers = [...rules].map(
    ([name, { decision }]) => [machineKeyOf(name)?.kind, name, decision !== 'ignore'] as const,
  );
  const ofKind = (kind: 'mac' | 'uuid') =>
    new Map(answers.filter(([found]) => found === kind).map(([, name, answered]) => [name, answered]));
  const namesOf = (wanted: (rule: BootRule) => boolean): string[] =>
    [...rules].filter(([, rule]) => wanted(rule)).map(([name]) => name);
  const local = namesOf(({ decision }) => decision === 'local');
  return {
    unknown: unknown !== 'ignore',
    macs: ofKind('mac'),
    uuids: ofKind('uuid'),
    signed: secureBoot ? 'all' : new Set(namesOf((rule) => rule.secureBoot === true)),
    local: new Set(unknown === 'local' ? [...local, UNKNOWN_MACHINES] : local),
  };
}
