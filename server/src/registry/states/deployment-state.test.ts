import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DEPLOYMENT_STATES,
  type DeploymentState,
  type StateCause,
  StateError,
  stateAfter,
  TRANSITIONS,
} from './deployment-state.ts';
import { bootDecision, standbyAnswer } from './standby-answer.ts';

const CAUSES: readonly StateCause[] = [
  'registered',
  'withdrawn',
  'called',
  'released',
  'set-aside',
  'adopted',
];

test('the table has each pair of state and cause once, and every other pair is refused', () => {
  const allowed = new Map(TRANSITIONS.map(({ from, cause, to }) => [`${from} ${cause}`, to]));
  assert.equal(allowed.size, TRANSITIONS.length);
  let refused = 0;
  for (const from of DEPLOYMENT_STATES) {
    for (const cause of CAUSES) {
      const to = allowed.get(`${from} ${cause}`);
      if (to !== undefined) {
        assert.equal(stateAfter('pc1', from, cause), to);
        continue;
      }
      refused++;
      assert.throws(() => stateAfter('pc1', from, cause), StateError);
    }
  }
  assert.equal(refused, 16);
});

test('a refused change says what to do', () => {
  assert.throws(() => stateAfter('pc1', 'unregistered', 'called'), {
    code: 'STATE_NOT_ALLOWED',
    message: 'the computer pc1 is unregistered and cannot be called into the secondary OS; register it first',
  });
});

test('a computer is never deployed without having been registered, and every state can be left', () => {
  for (const { from, to } of TRANSITIONS) {
    if (from === 'unregistered') assert.equal(to, 'dormant');
  }
  assert.deepEqual(
    [...new Set(TRANSITIONS.map(({ from }) => from))].toSorted(),
    [...DEPLOYMENT_STATES].toSorted(),
  );
});

test('deployed computers are left to their disk, transitioning ones are served, all others wait', () => {
  const all = (answer: (state: DeploymentState) => string): Record<string, string> =>
    Object.fromEntries(DEPLOYMENT_STATES.map((state) => [state, answer(state)]));
  assert.deepEqual(all(bootDecision), {
    unregistered: 'boot',
    dormant: 'boot',
    deployed: 'local',
    transitioning: 'boot',
  });
  assert.deepEqual(all(standbyAnswer), {
    unregistered: 'standby',
    dormant: 'standby',
    deployed: 'leave',
    transitioning: 'serve',
  });
});
