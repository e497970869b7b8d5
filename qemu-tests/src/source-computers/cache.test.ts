import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, test } from 'node:test';

const folder = mkdtempSync(join(tmpdir(), 'diskferry-cache-'));
process.env['DISKFERRY_RUN'] = join(folder, 'run');
process.env['DISKFERRY_CACHE'] = join(folder, 'cache');
const { openSession } = await import('@diskferry/system/session');
const { cacheFolder, cachedFile } = await import('./cache.ts');
after(() => rmSync(folder, { recursive: true }));

/** Makes a file as a test does, in a session of its own. */
async function demand(name: string, build: (path: string) => Promise<void>): Promise<string> {
  await using session = openSession('cache-test');
  return await cachedFile({ name, session, build });
}

test('a file that two want at the same time is made once, and the second gets it whole', async () => {
  const begun = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const first = demand('twice', async (path) => {
    begun.resolve();
    await goOn.promise;
    writeFileSync(path, 'whole');
  });
  await begun.promise;
  const second = demand('twice', async () => assert.fail('it is made a second time'));
  goOn.resolve();
  const paths = await Promise.all([first, second]);
  assert.deepEqual(paths, [join(cacheFolder(), 'twice'), join(cacheFolder(), 'twice')]);
  assert.equal(readFileSync(paths[0], 'utf8'), 'whole');
  assert.deepEqual(
    readdirSync(cacheFolder()).filter((name) => name.includes('twice')),
    ['twice'],
  );
});

test('when the one who makes a file fails, the next one makes it', async () => {
  const goOn = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const failing = demand('failing', async () => {
    begun.resolve();
    await goOn.promise;
    throw new Error('no room');
  });
  await begun.promise;
  const next = demand('failing', async (path) => writeFileSync(path, 'made'));
  goOn.resolve();
  await assert.rejects(failing, /no room/);
  assert.equal(readFileSync(await next, 'utf8'), 'made');
});

test('what a machine that lost its power left behind holds up nobody', async () => {
  mkdirSync(join(cacheFolder(), '.making-after'), { recursive: true });
  const path = await demand('after', async (halfMade) => writeFileSync(halfMade, 'made'));
  assert.equal(basename(path), 'after');
  assert.deepEqual(
    readdirSync(cacheFolder()).filter((name) => name.includes('after')),
    ['after'],
  );
});
