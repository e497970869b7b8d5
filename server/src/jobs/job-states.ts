import { DiskferryError } from '@diskferry/system/errors';

export const JOB_STATES = ['queued', 'paused', 'running', 'succeeded', 'failed', 'cancelled'] as const;
/**
 * - `queued`: it waits for its time, or for its turn.
 * - `paused`: it waits until somebody lets it go on.
 * - `running`: a server works on it.
 * - `succeeded`, `failed`, `cancelled`: it has ended, and nothing of it is held any more.
 */
export type JobState = (typeof JOB_STATES)[number];

/** All that can happen to a job, from which states, and what it is then. */
const TRANSITIONS = {
  start: { from: ['queued'], to: 'running' },
  succeed: { from: ['running'], to: 'succeeded' },
  fail: { from: ['running'], to: 'failed' },
  /** Its server died, or ends: it is to be begun again. */
  interrupt: { from: ['running'], to: 'queued' },
  pause: { from: ['queued'], to: 'paused' },
  resume: { from: ['paused'], to: 'queued' },
  cancel: { from: ['queued', 'paused', 'running'], to: 'cancelled' },
  retry: { from: ['failed', 'cancelled'], to: 'queued' },
} as const satisfies Record<string, { from: readonly JobState[]; to: JobState }>;

export type JobTransition = keyof typeof TRANSITIONS;

/** The state after a transition, and those in which it may happen. */
export function transition(name: JobTransition): {
  readonly from: readonly JobState[];
  readonly to: JobState;
} {
  return TRANSITIONS[name];
}

/** Nothing will happen to it any more by itself. */
export function hasEnded(state: JobState): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}

/** Somebody wants of a job what cannot be done in its state. */
export function wrongState(id: string, state: JobState, wanted: JobTransition): DiskferryError {
  const possible = (Object.keys(TRANSITIONS) as JobTransition[]).filter(
    (name) => BY_USERS.includes(name) && (TRANSITIONS[name].from as readonly JobState[]).includes(state),
  );
  const advice = possible.length === 0 ? 'it cannot be changed' : `possible now: ${possible.join(', ')}`;
  return new DiskferryError('STATE', `${wanted} is not possible: the job ${id} is ${state}; ${advice}`);
}

const BY_USERS: readonly JobTransition[] = ['pause', 'resume', 'cancel', 'retry'];
