import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';

const SCRIPT = `
  import { COMMAND, OPTION } from '${new URL('constants.ts', import.meta.url).href}';
  import { encodeClientFlags } from '${new URL('handshake.ts', import.meta.url).href}';
  import { encodeOption } from '${new URL('options.ts', import.meta.url).href}';
  import { go, request } from '${new URL('testing/conversation.ts', import.meta.url).href}';
  import { catalogOf, memoryDisk, serveInMemory } from '${new URL('testing/server-setup.ts', import.meta.url).href}';
  const { stream, ended } = serveInMemory(catalogOf({ sda: memoryDisk(512) }));
  stream.on('data', () => {});
  for (const message of [
    encodeClientFlags(3),
    encodeOption(OPTION.LIST, Buffer.alloc(1)),
    go('sda'),
    request({ cookie: 5n, length: 512 }),
    request({ cookie: 6n, type: COMMAND.FLUSH }),
    request({ cookie: 7n, offset: 512, length: 512 }),
    request({ type: COMMAND.DISC }),
  ]) {
    stream.write(message);
  }
  await ended;
`;

async function traceWith(debug: string): Promise<string[]> {
  const { stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', SCRIPT], {
    env: { ...process.env, NODE_DEBUG: debug },
    timeout: 100_000,
  });
  const lines = stderr.split('\n').filter((line) => line.startsWith('DISKFERRY:NBD'));
  return lines.map((line) => line.replace(/^DISKFERRY:NBD \d+: /, ''));
}

test('NODE_DEBUG=diskferry:nbd shows a line for each message in both directions', async () => {
  const lines = await traceWith('diskferry:nbd');
  assert.deepEqual(lines.toSorted(), [
    '1 < NBD_CMD_DISC 0 bytes at 0 cookie 1',
    '1 < NBD_CMD_FLUSH 0 bytes at 0 cookie 6',
    '1 < NBD_CMD_READ 512 bytes at 0 cookie 5',
    '1 < NBD_CMD_READ 512 bytes at 512 cookie 7',
    '1 < NBD_OPT_GO, 9 bytes of data',
    '1 < NBD_OPT_LIST, 1 bytes of data',
    '1 = ended',
    '1 > 512 bytes of data at 0: NBD_CMD_READ 512 bytes at 0 cookie 5',
    '1 > EINVAL: NBD_CMD_READ 512 bytes at 512 cookie 7: NBD_CMD_READ of 512 bytes at 512 goes beyond the end of the disk, which has 512 bytes',
    '1 > NBD_REP_ACK to NBD_OPT_GO',
    '1 > NBD_REP_ERR_INVALID to NBD_OPT_LIST: it takes no data',
    '1 > NBD_REP_INFO to NBD_OPT_GO',
    '1 > done: NBD_CMD_FLUSH 0 bytes at 0 cookie 6',
  ]);
});

test('nothing is written without it', async () => {
  assert.deepEqual(await traceWith(''), []);
});
