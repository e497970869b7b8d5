import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SilenceWatch } from './silence-watch.ts';

describe('the watch over a silent peer', () => {
  /** A watch of 1000 ms on a clock that only the test moves. */
  function watch(t: test.TestContext): {
    watch: SilenceWatch;
    silences: () => number;
    pass: (ms: number) => void;
  } {
    let now = 0;
    let count = 0;
    t.mock.timers.enable({ apis: ['setTimeout'] });
    t.mock.method(performance, 'now', () => now);
    return {
      watch: new SilenceWatch({ timeoutMs: 1000, onSilence: () => count++ }),
      silences: () => count,
      pass: (ms) => {
        now += ms;
        t.mock.timers.tick(ms);
      },
    };
  }

  test('reports a peer that owes an answer and says nothing', (t) => {
    const { watch: silence, silences, pass } = watch(t);
    silence.expect();
    pass(999);
    assert.equal(silences(), 0);
    pass(1);
    assert.equal(silences(), 1);
  });

  test('waits as long as the peer says something', (t) => {
    const { watch: silence, silences, pass } = watch(t);
    silence.expect();
    for (let count = 0; count < 10; count++) {
      pass(900);
      silence.heard();
    }
    assert.equal(silences(), 0);
    pass(1000);
    assert.equal(silences(), 1);
  });

  test('does not mind the silence of a peer that owes nothing', (t) => {
    const { watch: silence, silences, pass } = watch(t);
    silence.expect();
    silence.satisfied();
    pass(5000);
    silence.expect();
    pass(999);
    assert.equal(silences(), 0);
    silence.stop();
    pass(5000);
    assert.equal(silences(), 0);
  });
});
