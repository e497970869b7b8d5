import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '@diskferry/system/run';
import { openSession, type Session } from '@diskferry/system/session';
import { makeTalkingDisk } from '../qemu/boot-sector.ts';
import { bootProof } from './boot-proof.ts';
import type { Image } from './image-reader.ts';

async function talkingImage(session: Session, words: string): Promise<Image> {
  const raw = join(session.folder, 'talking.raw');
  const path = join(session.folder, 'talking.qcow2');
  await makeTalkingDisk(raw, words);
  await run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw, path]);
  return { path, format: 'qcow2' };
}

test('an image that shows a login prompt boots, and is not changed', async () => {
  await using session = openSession('boot-proof-test');
  const image = await talkingImage(session, 'tiny login: ');
  const before = await readFile(image.path);
  const proof = await bootProof(image, { session });
  assert.equal(proof.firmware, 'bios');
  assert.ok(proof.redoLogBytes > 0);
  assert.match(proof.lastLines.join('\n'), /tiny login:/);
  assert.deepEqual(await readFile(image.path), before);
  assert.deepEqual(session.held, []);
});

test('an image that gives up fails at once with its last lines, and nothing stays behind', async () => {
  await using session = openSession('boot-proof-test');
  const image = await talkingImage(session, 'Kernel panic - not syncing: no init\r\n');
  await assert.rejects(bootProof(image, { session }), {
    code: 'MACHINE_FAILED',
    message: /panic.*: no init/,
  });
  assert.deepEqual(session.held, []);
});

test('an image that does not show what is expected fails in time, and nothing stays behind', async () => {
  await using session = openSession('boot-proof-test');
  const image = await talkingImage(session, 'something else');
  await assert.rejects(bootProof(image, { session, expect: /never/, timeoutMs: 1_000 }), {
    code: 'MACHINE_SILENT',
    message: /did not show \/never\/ within 1 s/,
  });
  assert.deepEqual(session.held, []);
});

test('an image that is none is refused before a machine starts', async () => {
  await using session = openSession('boot-proof-test');
  await assert.rejects(bootProof({ path: '/no/image', format: 'qcow2' }, { session }), {
    code: 'IMAGE_MISSING',
    message: /\/no\/image/,
  });
  assert.deepEqual(session.held, []);
});
