import type { BootPolicy, Decision, Gate, MachineFacts, Ruling } from './boot-decision.ts';
import type { BootRule, BootRules } from './boot-rules.ts';
import { machineKeyOf } from './machine-key.ts';

/** Decides by the rules file: by MAC address first, then by UUID, else what counts for machines that nobody named. */
export function policyOf(rules: BootRules, unknown: Decision): BootPolicy {
  return {
    decide: async (machine) => rulingOf(rules.read(), machine, unknown),
    booted: async ({ mac, uuid }) => rules.spend(uuid === undefined ? [mac] : [mac, uuid]),
    gate: async () => gateOf(rules.read(), unknown),
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

function gateOf(rules: ReadonlyMap<string, BootRule>, unknown: Decision): Gate {
  const answers = [...rules].map(
    ([name, { decision }]) => [machineKeyOf(name)?.kind, name, decision !== 'ignore'] as const,
  );
  const ofKind = (kind: 'mac' | 'uuid') =>
    new Map(answers.filter(([found]) => found === kind).map(([, name, answered]) => [name, answered]));
  return { unknown: unknown !== 'ignore', macs: ofKind('mac'), uuids: ofKind('uuid') };
}
