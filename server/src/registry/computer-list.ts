import { type ExpressionBuilder, type Expression, type SqlBool, sql } from 'kysely';
import type { Queries } from '../database/database.ts';
import type { Schema } from '../database/schema.ts';
import { type ComputerSummary, summariesOf } from './computer.ts';
import { nameKeyOf } from './names.ts';
import type { DeploymentState } from './states/deployment-state.ts';

/** Which computers, by name. All wishes must be met. */
export interface ComputerWishes {
  readonly state?: DeploymentState | undefined;
  readonly tag?: string | undefined;
  /** Name of a group. */
  readonly group?: string | undefined;
  readonly hardwareId?: string | undefined;
  /** Words that are all in its name, notes, tags, firmware's words, serial numbers, addresses or disks. */
  readonly text?: string | undefined;
  /** Those with an open question only. */
  readonly doubtful?: boolean | undefined;
  /** Those after this name; see `next`. */
  readonly after?: string | undefined;
  readonly limit?: number | undefined;
}

export interface ComputerPage {
  readonly computers: readonly ComputerSummary[];
  /** How many there are on all pages. */
  readonly total: number;
  /** What `after` has to be for the next page; undefined on the last one. */
  readonly next: string | undefined;
}

const DEFAULT_LIMIT = 50;
export const MAX_LIMIT = 1000;

/** One page of the computers, in the order of their names. */
export async function listComputers(queries: Queries, wishes: ComputerWishes): Promise<ComputerPage> {
  const limit = Math.min(Math.max(wishes.limit ?? DEFAULT_LIMIT, 1), MAX_LIMIT);
  const wanted = queries.selectFrom('computers').where((builder) => builder.and(conditions(builder, wishes)));
  const { total } = await wanted.select(({ fn }) => fn.countAll().as('total')).executeTakeFirstOrThrow();
  let page = wanted
    .selectAll()
    .orderBy('nameKey')
    .limit(limit + 1);
  if (wishes.after !== undefined) page = page.where('nameKey', '>', nameKeyOf(wishes.after));
  const rows = await page.execute();
  const shown = rows.slice(0, limit);
  return {
    computers: await summariesOf(queries, shown),
    total: Number(total),
    next: rows.length > limit ? shown.at(-1)?.name : undefined,
  };
}

type Builder = ExpressionBuilder<Schema, 'computers'>;

function conditions(builder: Builder, wishes: ComputerWishes): Expression<SqlBool>[] {
  const { state, tag, group, hardwareId, text = '', doubtful = false } = wishes;
  return [
    ...(state === undefined ? [] : [builder('state', '=', state)]),
    ...(hardwareId === undefined ? [] : [builder('hardwareId', '=', hardwareId)]),
    ...(tag === undefined
      ? []
      : [
          builder(
            'id',
            'in',
            builder.selectFrom('computerTags').select('computerId').where('tag', '=', tag.toLowerCase()),
          ),
        ]),
    ...(group === undefined
      ? []
      : [
          builder(
            'id',
            'in',
            builder
              .selectFrom('computerGroupMembers')
              .innerJoin('computerGroups', 'computerGroups.id', 'groupId')
              .select('computerId')
              .where('computerGroups.nameKey', '=', nameKeyOf(group)),
          ),
        ]),
    ...(doubtful ? [builder('id', 'in', builder.selectFrom('computerDoubts').select('computerId'))] : []),
    ...wordsOf(text).map((word) =>
      builder.or([contains(builder, 'searchWords', word), contains(builder, 'searchHardware', word)]),
    ),
  ];
}

function wordsOf(text: string): readonly string[] {
  return text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
}

function contains(
  builder: Builder,
  column: 'searchWords' | 'searchHardware',
  word: string,
): Expression<SqlBool> {
  const pattern = `%${word.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;
  return sql<SqlBool>`${builder.ref(column)} like ${pattern} escape '\\'`;
}
