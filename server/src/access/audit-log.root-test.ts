import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeOnEachDatabase } from '../database/testing/each-database.ts';
import { Access } from './access.ts';
import { AuditLog } from './audit-log.ts';

const OLGA = { userId: 'u1', userName: 'olga', tokenName: 'laptop' };

describeOnEachDatabase('the audit log', (open) => {
  test('keeps who did what to what, from where, and how it ended', async (t) => {
    const log = new AuditLog(await open(t));
    const entry = await log.audit({
      principal: OLGA,
      action: 'images.delete',
      subject: { kind: 'image', id: 'i1' },
      outcome: 'refused',
      detail: { force: false, bytes: 2 ** 41 },
      remoteAddress: '192.0.2.7',
    });
    const own = await log.audit({ action: 'server.change', outcome: 'done' });
    assert.deepEqual(await log.list(), [own, entry]);
    assert.equal(entry.userName, 'olga');
    assert.deepEqual(entry.detail, { force: false, bytes: 2 ** 41 });
    assert.deepEqual(Object.keys(own).toSorted(), ['action', 'at', 'detail', 'id', 'outcome']);
  });

  test('is read page by page, newest first, also while it grows', async (t) => {
    const log = new AuditLog(await open(t));
    const ids: string[] = [];
    for (let count = 0; count < 7; count++) {
      const { id } = await log.audit({
        ...(count % 2 === 0 ? { principal: OLGA } : {}),
        action: count < 3 ? 'jobs.start' : 'jobs.change',
        outcome: count === 6 ? 'failed' : 'done',
        subject: { kind: 'job', id: `j${count % 3}` },
      });
      ids.push(id);
    }
    const idsOf = async (wishes: Parameters<AuditLog['list']>[0]): Promise<string[]> =>
      (await log.list(wishes)).map(({ id }) => id);
    const first = await idsOf({ limit: 3 });
    await log.audit({ action: 'later', outcome: 'done' });
    const second = await idsOf({ limit: 3, before: first.at(-1) });
    const third = await idsOf({ limit: 3, before: second.at(-1) });
    assert.deepEqual([...first, ...second, ...third], ids.toReversed());
    assert.equal((await log.list({ userName: 'olga' })).length, 4);
    assert.equal((await log.list({ action: 'jobs.start' })).length, 3);
    assert.equal((await log.list({ outcome: 'failed' })).length, 1);
    assert.equal((await log.list({ subjectId: 'j0', userName: 'olga' })).length, 2);
    assert.equal((await log.list({ since: '2999-01-01T00:00:00.000Z' })).length, 0);
    assert.equal((await log.list({ until: '2999-01-01T00:00:00.000Z', limit: 0 })).length, 1);
  });

  test('what is in a transaction that fails was not done, and is not in it', async (t) => {
    const database = await open(t);
    const log = new AuditLog(database);
    const work = database.transaction().execute(async (queries) => {
      await log.audit({ action: 'x', outcome: 'done' }, queries);
      throw new Error('no');
    });
    await assert.rejects(work, /no/);
    assert.deepEqual(await log.list(), []);
  });

  test('never holds a secret, wherever one was put', async (t) => {
    const database = await open(t);
    const access = new Access({ database });
    const bearer = (await access.firstStart()) as string;
    const principal = await access.authenticate(bearer);
    assert.ok(principal !== undefined);
    const shown = await access.createToken(principal, principal.userId, { name: 'other' });
    const log = new AuditLog(database);
    await log.audit({
      principal,
      action: 'tokens.change',
      subject: { kind: 'token', id: shown.text },
      outcome: 'done',
      detail: { body: shown, headers: { authorization: `Bearer ${bearer}` }, error: `wrong: ${bearer}` },
    });
    const kept = JSON.stringify(await database.selectFrom('auditEntries').selectAll().execute());
    for (const text of [bearer, shown.text]) {
      assert.ok(!kept.includes(text));
      assert.ok(!kept.includes(text.slice(-64)));
    }
    assert.ok(kept.includes(shown.token.prefix));
  });
});
