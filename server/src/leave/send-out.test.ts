import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import {
  type KexecFile,
  MAX_KEXEC_PIECE_BYTES,
  MAX_SERVER_MESSAGE_BYTES,
  serialiseControlMessage,
} from '@diskferry/protocol/control';
import { type Say, sendOut, sendOutInto } from './send-out.ts';

test('kernel and initrd arrive whole, the first piece of each before the others, and then the word to leave', async () => {
  const kernel = Buffer.alloc(3 * MAX_KEXEC_PIECE_BYTES + 7, 'k');
  const initrd = Buffer.alloc(100 * MAX_KEXEC_PIECE_BYTES, 'i');
  const files: Record<KexecFile, Buffer> = { kernel: Buffer.alloc(0), initrd: Buffer.alloc(0) };
  const order: string[] = [];
  let underWay = 0;
  const say: Say = async (message) => {
    assert.ok(++underWay <= 16);
    await turn();
    underWay--;
    if (message.type === 'leave') {
      order.push(`${message.how} ${message.commandLine}`);
      return;
    }
    const { file, offset, data } = message;
    assert.ok(serialiseControlMessage({ ...message, id: 4_000_000_000 }).length <= MAX_SERVER_MESSAGE_BYTES);
    if (offset === 0) order.push(file);
    else assert.equal(order.at(-1), file);
    const bytes = Buffer.from(data, 'base64');
    const longer = Buffer.alloc(Math.max(files[file].length, offset + bytes.length));
    files[file].copy(longer);
    bytes.copy(longer, offset);
    files[file] = longer;
  };
  await sendOutInto(say, { name: 'x', kernel, initrd, commandLine: 'root=UUID=1 ro' });
  assert.deepEqual(order, ['kernel', 'initrd', 'kexec root=UUID=1 ro']);
  assert.ok(files.kernel.equals(kernel));
  assert.ok(files.initrd.equals(initrd));
});

test('a computer that refuses a piece is not told to leave', async () => {
  const said: string[] = [];
  const say: Say = async ({ type }) => {
    said.push(type);
    if (said.length === 3) throw new Error('no memory');
  };
  const linux = { name: 'x', kernel: Buffer.alloc(50_000), initrd: Buffer.alloc(9), commandLine: '' };
  await assert.rejects(sendOutInto(say, linux), /no memory/);
  assert.ok(!said.includes('leave'));
});

test('without a kernel one word is enough', async () => {
  const said: unknown[] = [];
  await sendOut(async (message) => void said.push(message), 'power-off');
  assert.deepEqual(said, [{ type: 'leave', how: 'power-off' }]);
});
