import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ServerMessage } from '@diskferry/protocol/control';
import { createIdentity } from '@diskferry/trust/identity';
import { askToLeave } from './local-client.ts';
import { dialControl, inventoryOf } from './testing/scripted-client.ts';
import { startServing } from './testing/serving.ts';
import { interfacePath } from './run-folder.ts';

test('a managed computer is sent out by the server that it has dialled, or says why it stays', async (context) => {
  const serving = await startServing(context);
  const heard: ServerMessage[] = [];
  const credentials = { secret: serving.enrol('lab'), identity: await createIdentity('test') };
  const client = await dialControl(serving.door, credentials, (message) => {
    if (message.type === 'get-inventory')
      return { type: 'inventory', inventory: inventoryOf('LEAVER', 'sda') };
    heard.push(message);
    if (message.type === 'kexec-piece') return { type: 'kexec-kept' };
    if (message.type !== 'leave') return undefined;
    if (message.how === 'reboot') return { type: 'leaving' };
    return { type: 'error', code: 'LEAVE_REFUSED', message: 'job 1 writes to sda' };
  });
  context.after(() => client.close());
  const [computer] = await serving.computers((computers) => computers.length === 1);
  const name = computer?.name ?? '';
  const path = interfacePath(serving.runFolder);
  await askToLeave(name, { type: 'kexec-piece', file: 'kernel', offset: 0, data: 'AAAA' }, path);
  await askToLeave(name, { type: 'leave', how: 'reboot' }, path);
  assert.deepEqual(
    heard.map(({ type }) => type),
    ['kexec-piece', 'leave'],
  );
  await assert.rejects(askToLeave(name, { type: 'leave', how: 'power-off' }, path), {
    code: 'LEAVE_REFUSED',
    message: 'job 1 writes to sda',
  });
  await assert.rejects(askToLeave('nobody', { type: 'leave', how: 'reboot' }, path), {
    code: 'COMPUTER_MISSING',
  });
  await assert.rejects(askToLeave(name, { type: 'get-inventory' } as never, path), { code: 'INVALID' });
  await assert.rejects(askToLeave(name, { type: 'leave', how: 'reboot' }, join(serving.runFolder, 'none')), {
    code: 'SERVE_FAILED',
  });
});
