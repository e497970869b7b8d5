import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { createAuthority } from '@diskferry/trust/authority';
import { enrolmentsOf } from '../serve/serve.ts';
import {
  MUCH_CONTENT,
  serveComputer,
  type ServedComputer,
  startAgain,
} from '../serve/testing/served-computer.ts';
import { startOnTerminal } from '../testing/cli-terminal.ts';
import { type CliProcess, type CliResult, runCli, startCli } from '../testing/cli-process.ts';

/** A job is told on standard error by its id when it is not waited for any more. */
const GOES_ON = /the job goes on; to watch it: diskferry jobs follow (\S+);/;

interface Place extends ServedComputer {
  readonly env: NodeJS.ProcessEnv;
  /** Runs diskferry on another machine than the server's, as far as it can tell. */
  readonly cli: (...words: readonly string[]) => Promise<CliResult>;
  readonly start: (...words: readonly string[]) => CliProcess;
  /** The same, read from JSON, and it must succeed. */
  // oxlint-disable-next-line typescript/no-explicit-any -- each command has answers of its own
  readonly ask: (...words: readonly string[]) => Promise<any>;
  readonly logIn: () => Promise<CliResult>;
}

/** @param contentBytes of the full disk, see `makeSourceDisk` */
async function serve(t: TestContext, contentBytes?: number): Promise<Place> {
  const served = await serveComputer(t, [], contentBytes === undefined ? {} : { contentBytes });
  const { bench, server } = served;
  const env = {
    DISKFERRY_RUN: join(bench.folder, 'elsewhere'),
    DISKFERRY_STATE: join(bench.folder, 'client'),
    XDG_CONFIG_HOME: join(bench.folder, 'config'),
  };
  const start = (...words: readonly string[]): CliProcess => startCli(words, { env });
  const cli = (...words: readonly string[]): Promise<CliResult> => start(...words).ended;
  return {
    ...served,
    env,
    start,
    cli,
    ask: async (...words) => {
      const { exitCode, stdout, stderr } = await cli(...words, '--json');
      assert.equal(exitCode, 0, stderr);
      return JSON.parse(stdout) as unknown;
    },
    logIn: async () => {
      const file = join(bench.folder, 'token');
      writeFileSync(file, `${server.token}\n`);
      const words = ['--ca', server.authorityFile, '--token-file', file];
      return cli('login', `https://localhost:${server.port}`, ...words);
    },
  };
}

function assertEnds({ exitCode, stdout, stderr }: CliResult, wanted: number, pattern: RegExp): void {
  assert.equal(exitCode, wanted, stderr + stdout);
  assert.match(wanted === 0 ? stdout : stderr, pattern);
}

/** Each starts a server and a computer. */
describe('the command line as a client of a server', { concurrency: 1 }, () => {
  test('it logs in, captures a disk of a computer and deploys it, with progress, and asks before data are lost', async (t) => {
    const { bench, server, cli, ask, logIn } = await serve(t);
    const url = `https://localhost:${server.port}`;
    assertEnds(await cli('computers'), 2, /none is configured; try: diskferry login URL/);
    const otherAuthority = join(bench.folder, 'other.pem');
    writeFileSync(otherAuthority, (await createAuthority('diskferry authority')).certificate);
    const token = join(bench.folder, 'wrong');
    writeFileSync(token, `${server.token}0\n`);
    for (const [words, pattern] of [
      [['--ca', otherAuthority], /certificate that is not trusted .*the token was not sent/],
      [[], /certificate that is not trusted .*login URL --ca FILE/],
      [['--ca', server.authorityFile], /does not take the token of .*wrong: it is wrong, has expired/],
    ] as const) {
      assertEnds(await cli('login', url, '--token-file', token, ...words), 2, pattern);
    }
    assertEnds(await cli('jobs'), 2, /none is configured/);
    assertEnds(await logIn(), 0, /logged in to https:\/\/localhost:\d+ .* as admin, role administrator/);
    const kept = join(bench.folder, 'config/diskferry/server.json');
    assert.equal(statSync(kept).mode & 0o777, 0o600);

    assertEnds(await cli('computers'), 0, /^NAME .*\npc1 +dormant +yes +127\.0\.0\.1/);
    assertEnds(await cli('computers', 'rename', 'pc1', 'web1'), 0, /pc1 is web1 now/);
    assert.equal((await ask('computers', 'show', 'web1')).inventory.disks.length, 2);
    assertEnds(
      await cli('capture', 'web1', 'web', '--size', '1G'),
      2,
      /--size is not possible in a capture by/,
    );
    assertEnds(await cli('capture', 'sda@web2', 'web'), 2, /knows no computer web2; .*--alone/);

    const captured = await cli('capture', 'source.raw@web1', 'web', '--afterwards', 'standby');
    assertEnds(captured, 0, /^capture source\.raw@web1 → web: done, image web:1, (\d+ min )?\d+ s\n$/);
    assert.match(captured.stderr, /^ *\d+% {2}\S+ \S+ of \S+ MB .*\w+/m);
    assertEnds(await cli('images'), 0, /^IMAGE .*\nweb:1 +ready +qcow2/);
    assertEnds(await cli('images', 'check', 'web'), 0, /^check-image \S+: done/);

    const words = ['web:1', 'target.raw@web1', '--afterwards', 'standby'];
    const deployed = await ask('deploy', ...words, '--progress', 'json');
    assert.deepEqual([deployed.state, deployed.spec.image], ['succeeded', 'web:1']);
    assertEnds(await cli('deploy', ...words), 2, /is not empty; all of this would be lost:[^]*--yes/);
    const again = await cli('deploy', ...words, '--yes', '--progress', 'json');
    assertEnds(again, 0, /done/);
    const reports = again.stderr.split('\n').filter((line) => line.startsWith('{'));
    assert.ok(reports.some((line) => (JSON.parse(line) as { totalBytes: number }).totalBytes > 0));

    const verified = await cli('verify', 'web', 'target.raw@web1', '--afterwards', 'standby');
    assertEnds(verified, 0, /^verify web → target\.raw@web1: done/);
    assertEnds(await cli('jobs'), 0, /deploy +web:1 → target\.raw@web1 +failed +NEEDS_CONFIRMATION/);
    assertEnds(await cli('events', '--kind', 'job.failed'), 0, /ALERT +job\.failed/);
    assertEnds(await cli('logout'), 0, /server\.json is removed/);
    assertEnds(await cli('jobs'), 2, /none is configured/);
  });

  test('on a terminal it asks for the token, which is not shown, and before data are lost', async (t) => {
    const { server, env, cli } = await serve(t);
    const { token = '' } = server;
    const url = `https://localhost:${server.port}`;
    for (const [key, code, pattern] of [
      ['\u0003', 130, /stopped by SIGINT/],
      ['\u0004', 2, /holds no token/],
    ] as const) {
      const login = startOnTerminal(['login', url, '--ca', server.authorityFile], env);
      await login.shows(/token for https:.*: /);
      login.type(key);
      const end = await login.ended;
      assert.deepEqual([end.exitCode, pattern.test(end.screen)], [code, true], end.screen);
    }
    const login = startOnTerminal(['login', url, '--ca', server.authorityFile], env);
    await login.shows(/token for https:.*: /);
    login.type(`${token}\r`);
    const { exitCode, screen } = await login.ended;
    assert.equal(exitCode, 0, screen);
    assert.match(screen, /logged in to .* as admin/);
    assert.ok(!screen.includes(token));

    assertEnds(await cli('capture', 'source.raw@pc1', 'web', '--afterwards', 'standby'), 0, /image web:\d/);
    const words = ['deploy', 'web', 'source.raw@pc1', '--afterwards', 'standby'];
    for (const [answer, code, pattern] of [
      ['no', 2, /nothing was written/],
      ['yes', 0, /\r.\[K *\d+% [^]*deploy web → source\.raw@pc1: done/],
    ] as const) {
      const terminal = startOnTerminal(words, env);
      await terminal.shows(/all of this would be lost:[^]*Overwrite it\? Type yes: /);
      terminal.type(`${answer}\r`);
      const end = await terminal.ended;
      assert.equal(end.exitCode, code, end.screen);
      assert.match(end.screen, pattern);
    }
  });

  test('a job is cancelled; one whose watching is interrupted goes on; both are followed to their ends', async (t) => {
    const { cli, start, ask, logIn } = await serve(t, MUCH_CONTENT);
    await logIn();
    const capture = ['capture', 'source.raw@pc1', 'web', '--afterwards', 'standby'];
    const { id } = await ask(...capture, '--detach');
    assertEnds(await cli('jobs', 'cancel', id), 0, /is being ended|is cancelled/);
    assertEnds(await cli('jobs', 'follow', id), 1, /capture source\.raw@pc1 → web was cancelled/);
    assert.equal((await ask('images')).total, 0);
    assertEnds(await cli('jobs', 'retry', id, '--follow'), 0, /done, image web:\d/);
    assertEnds(await cli('jobs', 'log', id), 0, /Z {2}check the image/);
    assertEnds(await cli('jobs', 'pause', id), 2, /is succeeded; it cannot be changed/);

    const watching = start(...capture);
    await watching.printed(/\d+% /);
    watching.signalGroup('SIGINT');
    const interrupted = await watching.ended;
    assertEnds(interrupted, 130, GOES_ON);
    const [, second = ''] = GOES_ON.exec(interrupted.stderr) ?? [];
    assertEnds(await cli('jobs', 'follow', second), 0, /done, image web:\d/);
  });

  test('images are converted, renamed, forgotten, brought in again and deleted', async (t) => {
    const { images, cli, ask, logIn } = await serve(t);
    await logIn();
    assertEnds(await cli('capture', 'source.raw@pc1', 'web', '--afterwards', 'standby'), 0, /image web:\d/);
    const big = await ask('convert', 'web', 'big', '--size', '200M', '--format', 'raw', '--mode', 'blocks');
    assert.equal(big.state, 'succeeded');
    assertEnds(await cli('images', 'show', 'big'), 0, /^disk +209\.7 MB \(209715200 bytes\)/m);
    assertEnds(await cli('images', 'rename', 'big', 'large'), 0, /called large now/);
    assertEnds(await cli('images', 'show', 'big'), 2, /has no image big/);
    const words = ['--notes', 'for tests', '--tag', 'lab'];
    assert.deepEqual((await ask('images', 'change', 'large', ...words)).tags, ['lab']);
    assert.equal((await ask('images', '--tag', 'lab')).total, 1);
    assertEnds(await cli('images', 'holders', 'large'), 0, /nobody holds it/);
    const { file } = await ask('images', 'show', 'large');
    assertEnds(await cli('images', 'forget', 'large'), 0, /is forgotten/);
    assertEnds(await cli('locations', 'files', 'here'), 0, new RegExp(`^${file} `));
    assertEnds(
      await cli('images', 'import', 'here', file, 'again'),
      0,
      /import-image again: done, image again:1/,
    );
    assertEnds(await cli('images', 'delete', 'again:1'), 0, /is deleted/);
    assert.deepEqual(
      (await readdir(images)).filter((name) => name === file),
      [],
    );
    assertEnds(await cli('locations', 'look', 'here'), 0, /is there; .* are free/);
    assertEnds(await cli('locations', 'look', 'there'), 2, /has no location there; it has: here/);
  });

  test('a token of a viewer, or with other scopes, is refused with what is missing', async (t) => {
    const { server, env, ask, logIn, cli: own } = await serve(t);
    await logIn();
    const user = await ask('users', 'add', 'eve', 'viewer');
    const all = await ask('users', 'token', 'eve', 'all');
    const narrow = await ask('users', 'token', 'eve', 'narrow', '--scope', 'jobs:read');
    const cli = (token: string, ...words: string[]): Promise<CliResult> =>
      runCli(words, {
        env: {
          ...env,
          DISKFERRY_SERVER: `localhost:${server.port}`,
          DISKFERRY_CA: server.authorityFile,
          DISKFERRY_TOKEN: token,
        },
      });
    await server.ask('POST', '/api/v1/groups', { name: 'lab' });
    const { id } = await ask('computers', 'show', 'pc1');
    await server.ask('POST', '/api/v1/groups/lab/add', { computers: [id] });
    const inventory = ['jobs', 'start', 'inventory', '--group', 'lab'];
    assertEnds(await own(...inventory), 0, /^ID [^]*^inventory \S+: done/m);
    assert.deepEqual(
      (await ask(...inventory)).map(({ state }: { state: string }) => state),
      ['succeeded'],
    );
    assertEnds(await cli(all.text, 'computers'), 0, /pc1/);
    assertEnds(await cli(all.text, 'capture', 'source.raw@pc1', 'web'), 2, /this needs the role operator/);
    assertEnds(await cli(all.text, 'jobs', 'cancel', user.id), 2, /this needs the role operator/);
    assertEnds(await cli(narrow.text, 'jobs'), 0, /there is no such job|FAILED|failed/);
    assertEnds(await cli(narrow.text, 'images'), 2, /needs a token with the scope images:read/);
    const refused = await cli(narrow.text, 'events', '--json');
    assert.equal((JSON.parse(refused.stdout) as { error: { code: string } }).error.code, 'FORBIDDEN');
    assertEnds(await own('users', 'revoke', 'eve', 'all'), 0, /all of eve is revoked/);
    assertEnds(
      await own('users', 'tokens', 'eve'),
      0,
      /^all +viewer +all +revoked[^]*^narrow +viewer +jobs:read +yes/m,
    );
    assertEnds(await cli(all.text, 'jobs'), 2, /does not take the token of DISKFERRY_TOKEN/);
    assertEnds(await own('users', 'remove', 'eve'), 0, /eve is deleted/);
    assertEnds(await cli(narrow.text, 'jobs'), 2, /does not take the token/);
  });

  test('groups, rules, schedules, enrolments, states and the audit log are there from another machine too', async (t) => {
    const { bench, server, stateFolder, cli, ask, logIn } = await serve(t);
    await logIn();
    const rule = ['rules', 'add', 'desks', 'desk-{number:2}', 'manufacturer=Nobody*', '--group', 'desks'];
    const nightly = ['schedules', 'add', 'nightly', '0 3 * * *', 'inventory', 'computer=pc1'];
    const [, made, schedule, site] = await Promise.all([
      cli('groups', 'add', 'Lab'),
      ask(...rule),
      ask(...nightly, '--zone', 'Europe/Berlin', '--priority=-2'),
      ask('enrol', 'site', '--folder', join(bench.folder, 'media')),
    ]);
    assert.equal(readFileSync(site.ca, 'utf8'), readFileSync(server.authorityFile, 'utf8'));
    const secret = readFileSync(site.enrolment, 'utf8').trim();
    assert.equal(enrolmentsOf(stateFolder).admit(secret)?.name, 'site');
    assert.equal(site.server, `${hostname()}:${server.port}`);
    assert.deepEqual([made.position, made.enabled, made.group], [1, true, 'desks']);
    assert.deepEqual([schedule.timeZone, schedule.job.priority], ['Europe/Berlin', -2]);
    for (const [words, code, pattern] of [
      [['groups', 'join', 'lab', 'pc1'], 0, /^pc1 is in Lab now$/m],
      [['rules'], 0, /^1 +desks +manufacturer=Nobody\* +desk-\{number:2\} +desks +yes$/m],
      [['schedules', 'disable', 'nightly'], 0, /nightly: it is off/],
      [['computers', 'state', 'pc1', 'adopted'], 0, /pc1 is deployed now/],
    ] as const) {
      assertEnds(await cli(...words), code, pattern);
    }
    const read = [
      [['groups', 'show', 'Lab'], 0, /^pc1 +deployed +yes$/m],
      [['groups', 'show', 'other'], 2, /has no group other; it has: Lab/],
      [['schedules'], 0, /^nightly +0 3 \* \* \* +Europe\/Berlin +inventory pc1 +off$/m],
      [['schedules', 'add', 'x', '0 99 * * *', 'inventory', 'computer=pc1'], 2, /is no schedule/],
      [['enrol'], 0, /^site +2\S+Z$/m],
      [['rules', 'apply'], 0, /^0 computers are registered/],
      [['computers', 'change', 'pc1', '--tag', 'Spare', '--tag', 'old'], 0, /pc1: tags old, spare/],
    ] as const;
    const remove = [
      [['groups', 'remove', 'lab'], 0, /the group Lab is deleted/],
      [['enrol', 'site', '--revoke'], 0, /site is revoked/],
      [['rules', 'remove', '1'], 0, /the rule desks is deleted/],
      [['schedules', 'remove', 'nightly'], 0, /the schedule nightly is deleted/],
    ] as const;
    for (const step of [read, remove]) {
      await Promise.all(
        step.map(async ([words, code, pattern]) => assertEnds(await cli(...words), code, pattern)),
      );
    }
    assert.deepEqual(await ask('schedules'), []);
    assert.equal(enrolmentsOf(stateFolder).admit(secret), undefined);
    const log = await cli('audit', '--action', 'computers.change');
    assertEnds(log, 0, /^AT [^]*^\S+Z +admin \(\S+\) +computers\.change +done +computer/m);
  });

  test('a server that is restarted is waited for; one that is gone is told', async (t) => {
    const place = await serve(t, MUCH_CONTENT);
    const { server, runFolder, cli, start, logIn, env: client } = place;
    await logIn();
    const events = startOnTerminal(['events', '--follow'], client);
    await events.shows(/computer\.state/);
    const watching = start('capture', 'source.raw@pc1', 'web', '--afterwards', 'standby');
    await watching.printed(/\d+% /);
    process.kill(server.cli.pid, 'SIGKILL');
    await server.cli.ended;
    await watching.printed(/does not answer: .*; it is waited for/);
    const again = await startAgain(t, place, server);
    assertEnds(await watching.ended, 0, /done, image web:\d/);
    // Also what happened while it had no server.
    await events.shows(/job\.started[^]*server\.started[^]*job\.succeeded/);
    events.type('\u0003');
    assert.equal((await events.ended).exitCode, 130);
    // As root on the server's machine, without a login.
    const env = { DISKFERRY_RUN: runFolder, XDG_CONFIG_HOME: '/nowhere' };
    assertEnds(await runCli(['jobs'], { env }), 0, /capture +source\.raw@pc1 → web +succeeded/);
    again.cli.signalGroup('SIGTERM');
    await again.cli.ended;
    assertEnds(await cli('jobs'), 1, /the server https:\/\/localhost:\d+ does not answer: .*ECONNREFUSED/);
    assertEnds(await cli('jobs', 'follow', 'x', '--timeout', '1'), 1, /ask again: diskferry jobs show x/);
    assertEnds(await runCli(['jobs'], { env }), 2, /none is configured/);
  });
});
