import { UsageError } from '@diskferry/system/errors';
import type { Queries } from '../database/database.ts';
import { RefusedError } from '../refused-error.ts';

/** As in serve/computer-name.ts: the name is part of addresses and of the paths of sockets. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$/;
const MAX_NAME = 40;
/** Groups, tags and rules are for people only. */
const LABEL = /^[\p{L}\p{N}][\p{L}\p{N} ._:/-]{0,63}$/u;

/** @throws {UsageError} */
export function requireComputerName(text: string): string {
  if (NAME.test(text)) return text;
  throw new UsageError(
    `"${text}" is no name for a computer; take up to ${MAX_NAME} letters, digits, dashes and underscores`,
  );
}

/** @throws {UsageError} */
export function requireLabel(text: string, what: string): string {
  const label = text.trim();
  if (LABEL.test(label)) return label;
  throw new UsageError(
    `"${text}" is no name for a ${what}; take up to 64 letters, digits and . _ : / - in it, with a letter or digit first`,
  );
}

/** Names that differ in nothing but case are the same name. */
export function nameKeyOf(name: string): string {
  return name.toLowerCase();
}

/** @throws {RefusedError} `COMPUTER_NAME_TAKEN` */
export async function requireFreeName(queries: Queries, name: string, ownId?: string): Promise<void> {
  const holder = await queries
    .selectFrom('computers')
    .select(['id', 'name'])
    .where('nameKey', '=', nameKeyOf(name))
    .executeTakeFirst();
  if (holder === undefined || holder.id === ownId) return;
  throw new RefusedError(
    'COMPUTER_NAME_TAKEN',
    `another computer is called ${holder.name}; take another name, or rename that one first`,
  );
}

/**
 * The first name that nobody has.
 *
 * @param makeName the n-th wish, from 1; each must be another one
 */
export async function firstFreeName(queries: Queries, makeName: (n: number) => string): Promise<string> {
  const keys = queries.selectFrom('computers').select('nameKey');
  const first = makeName(1);
  // The usual case; only where a name is taken, all of them are read.
  if ((await keys.where('nameKey', '=', nameKeyOf(first)).executeTakeFirst()) === undefined) return first;
  const taken = new Set((await keys.execute()).map(({ nameKey }) => nameKey));
  for (let n = 2; ; n++) {
    const name = makeName(n);
    if (!taken.has(nameKeyOf(name))) return name;
  }
}

/** A wish as it is, then with -2, -3, ... */
export function numbered(wish: string): (n: number) => string {
  return (n) => (n === 1 ? wish.slice(0, MAX_NAME) : withSuffix(wish, `-${n}`));
}

function withSuffix(wish: string, suffix: string): string {
  return `${wish.slice(0, MAX_NAME - suffix.length)}${suffix}`;
}
