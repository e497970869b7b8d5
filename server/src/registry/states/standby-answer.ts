import type { Decision } from '../../pxe/boot-decision.ts';
import type { DeploymentState } from './deployment-state.ts';

/** What the server tells a computer that has booted into the secondary OS. */
export type StandbyAnswer =
  /** Start the own system from the local disk. */
  | 'leave'
  /** Serve the disks: the server has work for it. */
  | 'serve'
  /** Wait. */
  | 'standby';

/** What follows from the state of a computer; the patent's figure 6. */
const ANSWERS: Readonly<
  Record<DeploymentState, { readonly boot: Decision; readonly standby: StandbyAnswer }>
> = {
  unregistered: { boot: 'boot', standby: 'standby' },
  dormant: { boot: 'boot', standby: 'standby' },
  deployed: { boot: 'local', standby: 'leave' },
  transitioning: { boot: 'boot', standby: 'serve' },
};

/** What it starts when it asks over the network. */
export function bootDecision(state: DeploymentState): Decision {
  return ANSWERS[state].boot;
}

/** What it hears when its client has dialled in. */
export function standbyAnswer(state: DeploymentState): StandbyAnswer {
  return ANSWERS[state].standby;
}
