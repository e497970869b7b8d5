import { DiskferryError } from '@diskferry/system/errors';

/**
 * Where a managed computer stands (US 8,209,680, "Physical Computer Control").
 *
 * - `unregistered`: it has booted our media or asked for them, and nobody has said yet that it belongs here.
 * - `dormant`: registered; no system of its own is deployed on it, and nothing is being done with it.
 * - `deployed`: it runs its own system from its own disk, and is left alone.
 * - `transitioning`: between the two: the server works on it through the secondary OS, or is about to.
 */
export const DEPLOYMENT_STATES = ['unregistered', 'dormant', 'deployed', 'transitioning'] as const;
export type DeploymentState = (typeof DEPLOYMENT_STATES)[number];

/**
 * Why a state changes.
 *
 * - `registered`, `withdrawn`: an administrator or a rule says that it belongs here, or no longer.
 * - `called`: a job or an administrator wants it in the secondary OS.
 * - `released`: the work is done, and it starts its own system (second reboot).
 * - `set-aside`: it has no system any more: a deploy failed or was cancelled, its disk was wiped, it is kept in reserve.
 * - `adopted`: it has a system of its own already, which was not deployed by us.
 */
export type StateCause = 'registered' | 'withdrawn' | 'called' | 'released' | 'set-aside' | 'adopted';

interface Transition {
  readonly from: DeploymentState;
  readonly cause: StateCause;
  readonly to: DeploymentState;
}

/** All that may happen. */
export const TRANSITIONS: readonly Transition[] = [
  { from: 'unregistered', cause: 'registered', to: 'dormant' },
  { from: 'dormant', cause: 'withdrawn', to: 'unregistered' },
  { from: 'dormant', cause: 'called', to: 'transitioning' },
  { from: 'dormant', cause: 'adopted', to: 'deployed' },
  { from: 'deployed', cause: 'called', to: 'transitioning' },
  { from: 'deployed', cause: 'set-aside', to: 'dormant' },
  { from: 'transitioning', cause: 'released', to: 'deployed' },
  { from: 'transitioning', cause: 'set-aside', to: 'dormant' },
];

/** What to do instead, by the state in which it was tried. */
const ADVICE: Readonly<Record<DeploymentState, string>> = {
  unregistered: 'register it first',
  dormant: 'call it for a job, or adopt it if it runs a system of its own already',
  deployed: 'call it for a job, or set it aside if its system is not needed any more',
  transitioning: 'wait for its job to end, or cancel it',
};

/** A state does not change in that way. */
export class StateError extends DiskferryError {
  constructor(name: string, from: DeploymentState, cause: StateCause) {
    super(
      'STATE_NOT_ALLOWED',
      `the computer ${name} is ${from} and cannot be ${CAUSE_WORDS[cause]}; ${ADVICE[from]}`,
    );
  }
}

const CAUSE_WORDS: Readonly<Record<StateCause, string>> = {
  registered: 'registered',
  withdrawn: 'withdrawn from registration',
  called: 'called into the secondary OS',
  released: 'released to its own system',
  'set-aside': 'set aside',
  adopted: 'adopted',
};

/**
 * The state after a change.
 *
 * @throws {StateError} when that may not happen in this state
 */
export function stateAfter(name: string, from: DeploymentState, cause: StateCause): DeploymentState {
  const transition = TRANSITIONS.find((one) => one.from === from && one.cause === cause);
  if (transition === undefined) throw new StateError(name, from, cause);
  return transition.to;
}
