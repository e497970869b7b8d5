import { UsageError } from '@diskferry/system/errors';
import type { RuleConditions } from '../registry/registration-rules.ts';
import type { RegistrationRule } from '../registry/rule-book.ts';

/** What a rule can look at. */
export const CONDITION_NAMES = [
  'manufacturer',
  'product',
  'enrolment',
  'macPrefix',
  'subnet',
] as const satisfies readonly (keyof RuleConditions)[];

/** Conditions from words such as `subnet=192.0.2.0/24`. @throws {UsageError} */
export function conditionsOf(words: readonly string[]): RuleConditions {
  const pairs = words.map((word) => {
    const [, name, value = ''] = /^([A-Za-z]+)=(.+)$/s.exec(word) ?? [];
    const known = CONDITION_NAMES.find((candidate) => candidate === name);
    if (known !== undefined) return [known, value] as const;
    throw new UsageError(
      `a condition is written NAME=VALUE with ${CONDITION_NAMES.join(', ')}; not "${word}"`,
    );
  });
  const [twice] = pairs.map(([name]) => name).filter((name, at, names) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new UsageError(`${twice} is given twice; make two rules of it`);
  return Object.fromEntries(pairs);
}

/** A place in the order of rules, from 1. @throws {UsageError} */
export function positionOf(text: string, what: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new UsageError(`${what} takes a number from 1, not "${text}"`);
}

/** A row of the list: position, name, conditions, pattern of names, group, whether it is on. */
export function ruleCells(rule: RegistrationRule): string[] {
  const { position, name, conditions, namePattern, group = '', enabled } = rule;
  const words = Object.entries(conditions).map(([condition, value]) => `${condition}=${value}`);
  return [String(position), name, words.join(' '), namePattern, group, enabled ? 'yes' : 'no'];
}
