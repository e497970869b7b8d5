import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { rm } from 'node:fs/promises';
import { identifyProcess } from './process-identity.ts';

const folder = mkdtempSync(join(tmpdir(), 'diskferry-session-'));
process.env['DISKFERRY_RUN'] = join(folder, 'run');
const { cleanUp, listSessions, openSession } = await import('./session.ts');
after(() => rm(folder, { recursive: true }));

function scratchFile(name: string): string {
  const path = join(folder, name);
  writeFileSync(path, 'x');
  return path;
}

/** A process of its own that opens a session, holds a file and a sleeping process, and waits to be killed. */
async function startHolder(heldFile: string): Promise<{ kill(): Promise<void>; sleeper: number }> {
  const script = `
    import { spawn } from 'node:child_process';
    import { openSession } from ${JSON.stringify(new URL('session.ts', import.meta.url).href)};
    const session = openSession('holder');
    session.hold({ kind: 'file', path: ${JSON.stringify(heldFile)} });
    const sleeper = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
    session.holdProcess(sleeper.pid, 'sleep');
    console.log(sleeper.pid);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return {
    sleeper: Number(line.toString()),
    kill: async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

test('the end of a session gives back what it holds and removes its folder', async () => {
  const path = scratchFile('held');
  let sessionFolder = '';
  {
    await using session = openSession('test');
    sessionFolder = session.folder;
    session.hold({ kind: 'file', path });
    assert.ok(existsSync(sessionFolder));
  }
  assert.ok(!existsSync(path));
  assert.ok(!existsSync(sessionFolder));
});

test('a dropped resource stays', async () => {
  const path = scratchFile('kept');
  {
    await using session = openSession('test');
    session.hold({ kind: 'file', path });
    session.drop({ kind: 'file', path });
  }
  assert.ok(existsSync(path));
});

test('a resource that is dropped after the end of the session is no error', async () => {
  const path = scratchFile('late');
  const session = openSession('test');
  session.hold({ kind: 'file', path });
  await session[Symbol.asyncDispose]();
  session.drop({ kind: 'file', path });
  assert.ok(!existsSync(session.folder));
});

test('one failing release does not stop the others and is reported', async () => {
  const path = scratchFile('after-failure');
  const session = openSession('test');
  session.hold({ kind: 'file', path });
  // A folder cannot be deleted as a file.
  session.hold({ kind: 'file', path: folder });
  await assert.rejects(session[Symbol.asyncDispose](), /could not release/);
  assert.ok(!existsSync(path));
  session.drop({ kind: 'file', path: folder });
  await session[Symbol.asyncDispose]();
});

test('a killed process leaves a session that the clean-up releases, a living one is left alone', async () => {
  const path = scratchFile('abandoned');
  const holder = await startHolder(path);
  assert.deepEqual(await cleanUp(), []);
  assert.ok(existsSync(path));
  await holder.kill();
  const cleaned = await cleanUp();
  assert.equal(cleaned.length, 1);
  assert.ok(!existsSync(path));
  assert.equal(identifyProcess(holder.sleeper), undefined);
  assert.deepEqual(listSessions(), []);
});

test('two processes that release the same abandoned session at the same moment both come to its end', async () => {
  const path = scratchFile('twice');
  const holder = await startHolder(path);
  await holder.kill();
  const [first, second] = [listSessions()[0], listSessions()[0]];
  assert.ok(first && second);
  assert.equal(first.id, second.id);
  await Promise.all([first[Symbol.asyncDispose](), second[Symbol.asyncDispose]()]);
  await second[Symbol.asyncDispose]();
  assert.ok(!existsSync(path));
  assert.deepEqual(listSessions(), []);
});

test('a journal cut in the middle of its last line is still cleaned', async () => {
  const path = scratchFile('cut');
  const holder = await startHolder(path);
  await holder.kill();
  const [session] = listSessions();
  assert.ok(session);
  writeFileSync(join(session.folder, 'held.jsonl'), '{"hold":{"kind":"fi', { flag: 'a' });
  await cleanUp();
  assert.ok(!existsSync(path));
});

test('a kept session outlives its process until it is released by id', async () => {
  const path = scratchFile('attached');
  const session = openSession('attach');
  session.hold({ kind: 'file', path });
  session.keep({ folder: '/mnt/x' });
  const [found] = listSessions();
  assert.equal(found?.facts['folder'], '/mnt/x');
  assert.deepEqual(await cleanUp(), []);
  assert.ok(existsSync(path));
  await found?.[Symbol.asyncDispose]();
  assert.ok(!existsSync(path));
});
