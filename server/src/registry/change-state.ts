import type { Queries } from '../database/database.ts';
import { now } from '../database/rows.ts';
import type { Tell } from './change-registry.ts';
import { requireComputer } from './computer.ts';
import { addHistory } from './history.ts';
import { type DeploymentState, type StateCause, stateAfter } from './states/deployment-state.ts';

/** Who changes a state, and why. */
export interface StateChange {
  readonly cause: StateCause;
  /** A user, a rule, a job, the server. */
  readonly actor: string;
  /** A sentence more, for the history. */
  readonly message?: string | undefined;
}

/**
 * Changes the state of a computer and writes it into its history.
 *
 * @throws {StateError} `STATE_NOT_ALLOWED`, also when another server was faster
 * @throws {DiskferryError} `COMPUTER_MISSING`
 */
export async function changeState(
  queries: Queries,
  idOrName: string,
  { cause, actor, message }: StateChange,
  tell: Tell,
): Promise<DeploymentState> {
  const { id, name, state: from } = await requireComputer(queries, idOrName);
  const to = stateAfter(name, from, cause);
  const { numUpdatedRows } = await queries
    .updateTable('computers')
    .set({ state: to, ...registrationAfter(cause, actor) })
    .where('id', '=', id)
    .where('state', '=', from)
    .executeTakeFirst();
  // Somebody has changed it since we looked: what he made of it decides.
  if (Number(numUpdatedRows) === 0) return changeState(queries, id, { cause, actor, message }, tell);
  const change = { cause, from, to };
  const sentence = `From ${from} to ${to}.${message === undefined ? '' : ` ${message}`}`;
  await addHistory(queries, id, { kind: 'state', actor, message: sentence, change });
  tell({
    kind: 'computer.state',
    subject: { kind: 'computer', id },
    message: `The computer ${name} is ${to} now, and was ${from} before.`,
    data: { name, actor, ...change },
  });
  return to;
}

function registrationAfter(
  cause: StateCause,
  actor: string,
): { registeredAt?: string | null; registeredBy?: string | null } {
  if (cause === 'registered') return { registeredAt: now(), registeredBy: actor };
  return cause === 'withdrawn' ? { registeredAt: null, registeredBy: null } : {};
}
