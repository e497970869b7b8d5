import { DiskferryError } from '@diskferry/system/errors';
import type { Queries } from '../database/database.ts';
import { newId } from '../database/rows.ts';
import type { ComputerRow, RegistrationRuleRow } from './tables.ts';
import type { Tell } from './change-registry.ts';
import { putIntoNamedGroup } from './groups.ts';
import { firstFreeName, requireLabel } from './names.ts';
import { registerComputer } from './registration.ts';
import {
  checkRule,
  nameByPattern,
  type RuleConditions,
  type RuleFacts,
  ruleMatches,
} from './registration-rules.ts';

/** Registers computers that meet its conditions. */
export interface RegistrationRule {
  readonly id: string;
  /** From 1; the first rule that fits counts. */
  readonly position: number;
  readonly name: string;
  readonly enabled: boolean;
  readonly conditions: RuleConditions;
  /** See `nameByPattern`. */
  readonly namePattern: string;
  /** The group that the computer gets into; it is made if it is not there. */
  readonly group: string | undefined;
}

export interface NewRule {
  readonly name: string;
  readonly conditions: RuleConditions;
  readonly namePattern: string;
  readonly group?: string | undefined;
  /** On by default. */
  readonly enabled?: boolean | undefined;
  /** Last by default. */
  readonly position?: number | undefined;
}

export async function listRules(queries: Queries): Promise<RegistrationRule[]> {
  const rows = await queries.selectFrom('registrationRules').selectAll().orderBy('position').execute();
  return rows.map(ruleOf);
}

/** @throws {UsageError} for conditions or a pattern that make no sense */
export async function addRule(queries: Queries, rule: NewRule): Promise<RegistrationRule> {
  const row = { id: newId(), position: 0, ...columnsOf(rule) };
  await queries.insertInto('registrationRules').values(row).execute();
  await moveRule(queries, row.id, rule.position ?? Number.MAX_SAFE_INTEGER);
  return requireRule(queries, row.id);
}

/**
 * Changes what is given.
 *
 * @throws {DiskferryError} `RULE_MISSING`
 */
export async function updateRule(
  queries: Queries,
  id: string,
  changes: Partial<NewRule>,
): Promise<RegistrationRule> {
  const before = await requireRule(queries, id);
  const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
  const rule: NewRule = { ...before, ...given };
  await queries.updateTable('registrationRules').set(columnsOf(rule)).where('id', '=', id).execute();
  if (changes.position !== undefined) await moveRule(queries, id, changes.position);
  return requireRule(queries, id);
}

/** @throws {DiskferryError} `RULE_MISSING` */
export async function deleteRule(queries: Queries, id: string): Promise<void> {
  await requireRule(queries, id);
  await queries.deleteFrom('registrationRules').where('id', '=', id).execute();
  await number(
    queries,
    (await listRules(queries)).map((rule) => rule.id),
  );
}

/**
 * Registers a computer by the first rule that fits and can name it.
 *
 * @returns the name of that rule; undefined where none fits
 */
export async function registerByRule(
  queries: Queries,
  computer: Pick<ComputerRow, 'id'>,
  facts: RuleFacts,
  tell: Tell,
): Promise<string | undefined> {
  for (const rule of await listRules(queries)) {
    const { enabled, conditions, namePattern, group } = rule;
    if (!enabled || !ruleMatches(conditions, facts)) continue;
    if (nameByPattern(namePattern, facts.inventory, 1) === undefined) continue;
    const name = await firstFreeName(queries, (n) => nameByPattern(namePattern, facts.inventory, n) ?? '');
    await registerComputer(queries, computer.id, { name, actor: `rule ${rule.name}` }, tell);
    if (group !== undefined) await putIntoNamedGroup(queries, group, computer.id);
    return rule.name;
  }
  return undefined;
}

async function requireRule(queries: Queries, id: string): Promise<RegistrationRule> {
  const row = await queries
    .selectFrom('registrationRules')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst();
  if (row !== undefined) return ruleOf(row);
  throw new DiskferryError('RULE_MISSING', `there is no registration rule ${id}`);
}

async function moveRule(queries: Queries, id: string, position: number): Promise<void> {
  const others = (await listRules(queries)).map((rule) => rule.id).filter((other) => other !== id);
  await number(queries, others.toSpliced(Math.max(position - 1, 0), 0, id));
}

async function number(queries: Queries, ids: readonly string[]): Promise<void> {
  for (const [index, id] of ids.entries()) {
    await queries
      .updateTable('registrationRules')
      .set({ position: index + 1 })
      .where('id', '=', id)
      .execute();
  }
}

type Columns = Omit<RegistrationRuleRow, 'id' | 'position'>;

function columnsOf({ name, conditions, namePattern, group, enabled = true }: NewRule): Columns {
  checkRule(conditions, namePattern);
  return {
    name: requireLabel(name, 'rule'),
    conditions: JSON.stringify(conditions),
    namePattern,
    groupName: group === undefined ? null : requireLabel(group, 'group'),
    enabled: enabled ? 1 : 0,
  };
}

function ruleOf({ conditions, groupName, enabled, ...row }: RegistrationRuleRow): RegistrationRule {
  return {
    ...row,
    conditions: JSON.parse(conditions) as RuleConditions,
    group: groupName ?? undefined,
    enabled: enabled === 1,
  };
}
