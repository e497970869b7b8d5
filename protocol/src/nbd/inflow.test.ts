import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import { Inflow } from './inflow.ts';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the inflow of a connection', () => {
  test('gives chunks in order, whether they come before or after they are asked for, and then the end', async () => {
    const stream = new PassThrough();
    const inflow = new Inflow(stream);
    const first = inflow.next();
    assert.equal(inflow.awaited, true);
    stream.write('a');
    assert.equal(String(await first), 'a');
    assert.equal(inflow.awaited, false);
    for (const text of ['b', 'c', 'd']) {
      stream.write(text);
      await settled();
    }
    stream.end();
    const rest: string[] = [];
    for (let chunk = await inflow.next(); chunk !== undefined; chunk = await inflow.next()) {
      rest.push(String(chunk));
    }
    assert.equal(rest.join(''), 'bcd');
    assert.equal(await inflow.next(), undefined);
  });

  test('makes a peer wait whose bytes nobody asks for', async () => {
    const stream = new PassThrough({ highWaterMark: 16 });
    const inflow = new Inflow(stream);
    let sent = 0;
    while (stream.write(Buffer.alloc(16)) && sent < 100) {
      sent++;
      await settled();
    }
    assert.ok(sent < 10);
    assert.equal((await inflow.next())?.length, 16);
  });

  test('ends a wait when it is told to, or the stream breaks', async () => {
    for (const end of ['stop', 'destroy'] as const) {
      const stream = new PassThrough();
      const inflow = new Inflow(stream);
      const waiting = inflow.next();
      if (end === 'stop') inflow.stop();
      else stream.destroy();
      assert.equal(await waiting, undefined);
      assert.equal(await inflow.next(), undefined);
    }
  });

  test('throws away what comes, also when it was stopped, until the peer has hung up', async () => {
    const stream = new PassThrough();
    const inflow = new Inflow(stream);
    inflow.stop();
    let discarded = false;
    const discarding = inflow.discard().then(() => (discarded = true));
    stream.write('a');
    await settled();
    assert.equal(discarded, false);
    stream.end('b');
    await discarding;
  });

  test('leaves the stream, and tells whether something was not read', async () => {
    for (const [text, clean] of [
      ['', true],
      ['a', false],
    ] as const) {
      const stream = new PassThrough();
      const inflow = new Inflow(stream);
      if (text !== '') stream.write(text);
      await settled();
      assert.equal(inflow.detach(), clean);
      const next = new Inflow(stream);
      stream.resume();
      stream.write('b');
      assert.equal(String(await next.next()), 'b');
    }
  });
});
