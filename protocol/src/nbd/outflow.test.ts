import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { describe, test } from 'node:test';
import { Outflow } from './outflow.ts';

/** A stream that takes each message only when the test lets it. */
class Slow {
  readonly taken: string[] = [];
  readonly outflow: Outflow;
  readonly stream: Duplex;
  #callback: (() => void) | undefined;

  constructor(options: ConstructorParameters<typeof Outflow>[1] = {}) {
    this.stream = new Duplex({
      read: () => {},
      write: (bytes: Buffer, _encoding, callback) => {
        this.taken.push(bytes.toString());
        this.#callback = callback;
      },
    });
    this.stream.on('error', () => {});
    this.outflow = new Outflow(this.stream, options);
  }

  async let(): Promise<void> {
    await settled();
    this.#callback?.();
    await settled();
  }
}

const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
};
const bytes = (text: string): Buffer => Buffer.from(text);

describe('the outflow of a connection', () => {
  test('sends in order, and tells when each message has left', async () => {
    const slow = new Slow();
    const left: string[] = [];
    slow.outflow.send(bytes('a'), () => left.push('a'));
    slow.outflow.send(bytes('b'), () => left.push('b'));
    assert.equal(slow.outflow.idle, false);
    assert.deepEqual(slow.outflow.progress, { left: 0, pending: true });
    await slow.let();
    assert.deepEqual(left, ['a']);
    await slow.let();
    assert.deepEqual(left, ['a', 'b']);
    assert.deepEqual(slow.taken, ['a', 'b']);
    assert.deepEqual(slow.outflow.progress, { left: 2, pending: false });
    assert.equal(slow.outflow.idle, true);
  });

  test('lets nothing come between the parts of a message', async () => {
    const slow = new Slow();
    assert.equal(await slow.outflow.hold(), true);
    slow.outflow.sendHeld(bytes('1'));
    slow.outflow.send(bytes('other'));
    slow.outflow.sendHeld(bytes('2'));
    slow.outflow.release();
    for (let count = 0; count < 3; count++) await slow.let();
    assert.deepEqual(slow.taken, ['1', '2', 'other']);
  });

  test('gives the stream to one after the other, in the order in which they ask', async () => {
    const slow = new Slow();
    const log: string[] = [];
    await slow.outflow.hold();
    const hold = async (name: string): Promise<void> => {
      assert.equal(await slow.outflow.hold(), true);
      log.push(name);
    };
    void hold('first');
    void hold('second');
    await settled();
    assert.deepEqual(log, []);
    slow.outflow.release();
    await settled();
    assert.deepEqual(log, ['first']);
    slow.outflow.release();
    await settled();
    assert.deepEqual(log, ['first', 'second']);
  });

  test('who wants to be alone waits until all that was sent has left', async () => {
    const slow = new Slow();
    slow.outflow.send(bytes('a'));
    let alone = false;
    void slow.outflow.hold({ alone: true }).then(() => (alone = true));
    slow.outflow.send(bytes('b'));
    await settled();
    assert.equal(alone, false);
    await slow.let();
    assert.equal(alone, true);
    assert.deepEqual(slow.taken, ['a']);
    slow.outflow.release();
    await settled();
    assert.deepEqual(slow.taken, ['a', 'b']);
  });

  test('gives long messages to the stream one by one, and short ones together', async () => {
    const slow = new Slow();
    const [long, longer] = ['l'.repeat(32 * 1024), 'm'.repeat(64 * 1024)];
    for (const message of ['a', 'b', long, longer, 'c', 'd']) slow.outflow.send(bytes(message));
    const given = (): number => slow.stream.writableLength;
    await settled();
    assert.equal(given(), 2);
    await slow.let();
    assert.equal(given(), 1);
    await slow.let();
    assert.equal(given(), long.length);
    await slow.let();
    // The short ones that follow need not wait for the long one before them.
    assert.equal(given(), longer.length + 2);
    for (let count = 0; count < 3; count++) await slow.let();
    assert.deepEqual(slow.taken, ['a', 'b', long, longer, 'c', 'd']);
    assert.equal(slow.outflow.idle, true);
  });

  test('gives a stream that takes little at a time the parts of a message, and lets nothing come between', async () => {
    const slow = new Slow({ maxWriteBytes: 2 });
    const left: string[] = [];
    slow.outflow.send(bytes('12345'), () => left.push('long'));
    slow.outflow.send(bytes('a'), () => left.push('a'));
    let held = false;
    void slow.outflow.hold().then(() => (held = true));
    for (const part of ['12', '34', '5']) {
      await settled();
      assert.equal(slow.taken.at(-1), part);
      assert.deepEqual([left, held], [[], false]);
      await slow.let();
    }
    assert.deepEqual(slow.taken, ['12', '34', '5', 'a']);
    await slow.let();
    assert.deepEqual([left, held], [['long', 'a'], true]);
    assert.equal(slow.outflow.progress.left, 4);
  });

  test('lets go of a message that has left in part when the stream breaks', async () => {
    const slow = new Slow({ maxWriteBytes: 2 });
    let left = 0;
    slow.outflow.send(bytes('12345'), () => left++);
    await slow.let();
    slow.stream.destroy();
    await settled();
    assert.equal(left, 1);
    assert.deepEqual(slow.taken, ['12', '34']);
  });

  test('lets go of everything when the stream breaks', async () => {
    const slow = new Slow();
    const log: string[] = [];
    slow.outflow.send(bytes('a'), () => log.push('a'));
    await slow.outflow.hold();
    slow.outflow.send(bytes('b'), () => log.push('b'));
    void slow.outflow.hold().then((granted) => log.push(`hold ${granted}`));
    await settled();
    slow.stream.destroy();
    await settled();
    assert.deepEqual(log.toSorted(), ['a', 'b', 'hold false']);
    assert.equal(slow.outflow.gone, true);
    assert.equal(await slow.outflow.hold(), false);
    await slow.outflow.sent(bytes('c'));
    await slow.outflow.sentHeld(bytes('d'));
    assert.deepEqual(slow.taken, ['a']);
  });
});
