import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readServerSentEvents, type ServerSentEvent } from './server-sent-events.ts';

const TEXT =
  ': events follow\n\nid: 1\nevent: a\ndata: {"x":1}\n\n: \n\nid: 2\r\ndata:one\ndata: two\n\ndata: cut';

test('events are read wherever the stream is cut; comments and what is not whole are left out', async () => {
  for (let at = 0; at <= TEXT.length; at++) {
    const chunks = async function* (): AsyncGenerator<string> {
      yield TEXT.slice(0, at);
      yield TEXT.slice(at);
    };
    const events: ServerSentEvent[] = [];
    for await (const event of readServerSentEvents(chunks())) events.push(event);
    assert.deepEqual(events, [
      { id: '1', data: '{"x":1}' },
      { id: '2', data: 'one\ntwo' },
    ]);
  }
});
