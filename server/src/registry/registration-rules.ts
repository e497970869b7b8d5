import { BlockList, isIP } from 'node:net';
import type { Inventory } from '@diskferry/protocol/inventory';
import { UsageError } from '@diskferry/system/errors';

/** What a rule asks of a computer; all that is given must fit. */
export interface RuleConditions {
  /** Compared without regard to case; `*` stands for any text. */
  readonly manufacturer?: string | undefined;
  readonly product?: string | undefined;
  /** Name of the enrolment that admitted it. */
  readonly enrolment?: string | undefined;
  /** Of one of its cards, such as "d8:9e:f3". */
  readonly macPrefix?: string | undefined;
  /** It was seen from an address in here, such as "192.0.2.0/24" or "2001:db8::/64". */
  readonly subnet?: string | undefined;
}

/** What a rule can see. */
export interface RuleFacts {
  readonly inventory: Inventory;
  readonly address?: string | undefined;
  readonly enrolment?: string | undefined;
}

const MAC_PREFIX = /^[0-9a-f]{2}(:[0-9a-f]{2}){0,5}$/;
const PLACEHOLDER = /\{(serial|uuid|mac|product|number)(?::(\d))?\}/g;
const MAX_NAME = 40;

export function ruleMatches(
  conditions: RuleConditions,
  { inventory, address, enrolment }: RuleFacts,
): boolean {
  const { computer, nics } = inventory;
  const { macPrefix, subnet } = conditions;
  return (
    fits(conditions.manufacturer, computer.manufacturer) &&
    fits(conditions.product, computer.product) &&
    (conditions.enrolment === undefined || conditions.enrolment === enrolment) &&
    (macPrefix === undefined ||
      nics.some(({ mac }) => mac.toLowerCase().startsWith(macPrefix.toLowerCase()))) &&
    (subnet === undefined || (address !== undefined && isInside(subnet, address)))
  );
}

/**
 * The n-th name by a pattern such as "lab-{number:2}" or "{product}-{serial}".
 *
 * Placeholders: `{serial}`, `{uuid}`, `{mac}` of the first card, `{product}`, `{number}` and `{number:3}` with leading zeros.
 * A pattern without a number gets one at its end from the second name on.
 *
 * @returns undefined where the computer lacks what the pattern asks for
 */
export function nameByPattern(pattern: string, { computer, nics }: Inventory, n: number): string | undefined {
  const values: Readonly<Record<string, string | undefined>> = {
    serial: computer.serial,
    uuid: computer.uuid,
    mac: nics[0]?.mac,
    product: computer.product,
    number: String(n),
  };
  let isComplete = true;
  const filled = pattern.replaceAll(PLACEHOLDER, (_, word: string, digits: string | undefined) => {
    const value = values[word] ?? '';
    if (value === '') isComplete = false;
    return value.padStart(Number(digits ?? 0), '0');
  });
  if (!isComplete) return undefined;
  const name = filled.replaceAll(/[^A-Za-z0-9_-]+/g, '-').replaceAll(/^[-_]+|-+$/g, '');
  // A number in the middle may be cut off.
  const isNumbered = /\{number/.test(pattern) && name.length <= MAX_NAME;
  const suffix = n > 1 && !isNumbered ? `-${n}` : '';
  return name === '' ? undefined : `${name.slice(0, MAX_NAME - suffix.length)}${suffix}`;
}

/**
 * Checks what an administrator has written.
 *
 * @throws {UsageError}
 */
export function checkRule(conditions: RuleConditions, namePattern: string): void {
  if (Object.values(conditions).every((condition) => condition === undefined)) {
    throw new UsageError('a rule needs a condition; a manufacturer of "*" fits every computer that has one');
  }
  const { macPrefix, subnet } = conditions;
  if (macPrefix !== undefined && !MAC_PREFIX.test(macPrefix.toLowerCase())) {
    throw new UsageError(`"${macPrefix}" is not the beginning of a MAC address such as d8:9e:f3`);
  }
  if (subnet !== undefined && parseSubnet(subnet) === undefined) {
    throw new UsageError(`"${subnet}" is no subnet such as 192.0.2.0/24`);
  }
  if (/[{}]/.test(namePattern.replaceAll(PLACEHOLDER, '')) || namePattern.trim() === '') {
    throw new UsageError(
      `"${namePattern}" is no pattern of names; it may have {serial}, {uuid}, {mac}, {product}, {number} and {number:3} in it`,
    );
  }
}

function fits(pattern: string | undefined, text: string | undefined): boolean {
  if (pattern === undefined) return true;
  if (text === undefined) return false;
  const source = pattern
    .split('*')
    .map((piece) => RegExp.escape(piece))
    .join('.*');
  return new RegExp(`^${source}$`, 'is').test(text);
}

function isInside(subnet: string, address: string): boolean {
  // IPv4 on a socket of IPv6.
  const plain = address.replace(/^::ffff:/i, '');
  return parseSubnet(subnet)?.check(plain, isIP(plain) === 6 ? 'ipv6' : 'ipv4') ?? false;
}

function parseSubnet(subnet: string): BlockList | undefined {
  const [address = '', prefix = '', ...rest] = subnet.split('/');
  if (isIP(address) === 0 || !/^\d{1,3}$/.test(prefix) || rest.length > 0) return undefined;
  const list = new BlockList();
  try {
    list.addSubnet(address, Number(prefix), isIP(address) === 6 ? 'ipv6' : 'ipv4');
  } catch {
    return undefined;
  }
  return list;
}
