import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { settledPorts } from '../control/testing/settled-ports.ts';
import { type CliResult, runCli } from '../testing/cli-process.ts';
import { type KeyedClient, startKeyedClient } from '../testing/imaging-client.ts';

interface Place {
  readonly client: KeyedClient;
  readonly clientState: string;
  /** Starts the client again at the same ports, when it has ended. */
  readonly startAgain: () => Promise<KeyedClient>;
  /** Runs diskferry with a state of its own. */
  readonly diskferry: (...words: string[]) => Promise<CliResult>;
  /** Another server, which knows nobody. */
  readonly other: (...words: string[]) => Promise<CliResult>;
}

async function setUp(test: TestContext): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-pairing-'));
  test.after(() => rmSync(folder, { recursive: true }));
  const disk = join(folder, 'disk.img');
  writeFileSync(disk, Buffer.alloc(1024 * 1024));
  const clientState = join(folder, 'client');
  const { port, controlPort } = await settledPorts();
  const options = ['--port', String(port), '--control-port', String(controlPort)];
  const start = (): Promise<KeyedClient> =>
    startKeyedClient(test, { file: disk, stateFolder: clientState, options });
  const client = await start();
  const runAs = (name: string) => (words: string[]) =>
    runCli(words, { env: { DISKFERRY_STATE: join(folder, name) } });
  const [server, other] = [runAs('server'), runAs('other')];
  return {
    client,
    clientState,
    startAgain: start,
    diskferry: (...words) => server(words),
    other: (...words) => other(words),
  };
}

function assertEnded({ exitCode, stderr }: CliResult, expected: number, words: RegExp): void {
  assert.equal(exitCode, expected, stderr);
  assert.match(stderr, words);
}

test('a computer is read after it was paired by its code, and its screen says so', async (context) => {
  const { client, diskferry, other } = await setUp(context);
  const inventory = ['inventory', client.address, '--control-port', client.controlPort];
  assertEnded(await diskferry(...inventory), 2, /has not paired with 127\.0\.0\.1 .*--pair CODE/);
  const code = client.code();
  const paired = await diskferry(...inventory, '--pair', code.toLowerCase().replace('-', ''));
  assertEnded(paired, 0, new RegExp(`paired with 127.0.0.1; .* fingerprint ${client.fingerprint()}`));
  assert.match(paired.stdout, /disk\.img/);
  await client.shown(/Paired with: {2}127\.0\.0\.1/);
  assert.notEqual(client.code(), code);
  assertEnded(await diskferry(...inventory, '--pair', code), 0, /^$/);
  // From now on without a code, and the port of the control channel is remembered.
  assertEnded(await diskferry('inventory', client.address), 0, /^$/);
  const disks = await diskferry('disks', client.address, '--json');
  assert.match(disks.stdout, /disk\.img/, disks.stderr);
  assertEnded(await other(...inventory), 2, /has not paired/);
  assertEnded(await other(...inventory, '--pair', code), 2, /pairing code is wrong/);
});

test('the command pair does only that', async (context) => {
  const { client, diskferry } = await setUp(context);
  const options = ['--control-port', client.controlPort, '--json'];
  const { exitCode, stdout } = await diskferry('pair', client.address, client.code(), ...options);
  assert.equal(exitCode, 0);
  assert.equal((JSON.parse(stdout) as { fingerprint: string }).fingerprint, client.fingerprint());
  assertEnded(await diskferry('inventory', client.address), 0, /^$/);
});

test('a wrong code is refused, and soon the next try too', async (context) => {
  const { client, diskferry } = await setUp(context);
  const pair = ['pair', client.address, '0000-0000', '--control-port', client.controlPort];
  assertEnded(await diskferry(...pair), 2, /the pairing code is wrong, or somebody stands in between/);
  assertEnded(await diskferry('inventory', client.address), 2, /has not paired/);
});

test('what is no code is refused before anything is sent', async (context) => {
  const { client, diskferry } = await setUp(context);
  for (const code of ['123', '7KQ2-MD9U', '']) {
    const result = await diskferry('disks', client.address, '--pair', code);
    assertEnded(result, 2, /a pairing code has 8 letters and digits/);
  }
  const both = await diskferry('disks', client.address, '--pair', client.code(), '--insecure');
  assertEnded(both, 2, /--pair and --insecure exclude each other/);
});

test('a computer with a new key is refused until it is paired again', async (context) => {
  const { client, clientState, startAgain, diskferry } = await setUp(context);
  const control = ['--control-port', client.controlPort];
  assertEnded(await diskferry('pair', client.address, client.code(), ...control), 0, /paired/);
  const before = client.fingerprint();
  await client.end();
  rmSync(clientState, { recursive: true });
  const again = await startAgain();
  for (const command of ['inventory', 'disks']) {
    const refused = await diskferry(command, client.address);
    assert.notEqual(refused.exitCode, 0);
    assert.match(refused.stderr, new RegExp(`another key .* ${again.fingerprint()} instead of ${before}`));
    assert.match(refused.stderr, /pair again with --pair CODE/);
  }
  const paired = await diskferry('inventory', client.address, '--pair', again.code());
  assertEnded(paired, 0, /paired with/);
});

test('a restart of the client program changes nothing: key and paired servers are kept', async (context) => {
  const { client, startAgain, diskferry } = await setUp(context);
  const control = ['--control-port', client.controlPort];
  assertEnded(await diskferry('pair', client.address, client.code(), ...control), 0, /paired/);
  await client.end();
  await startAgain();
  assertEnded(await diskferry('inventory', client.address), 0, /^$/);
});

test('both sides must agree on --insecure, and the message says how', async (context) => {
  const { client, diskferry } = await setUp(context);
  const control = ['--control-port', client.controlPort];
  const plain = await diskferry('inventory', client.address, ...control, '--insecure');
  assertEnded(plain, 1, /leave out --insecure here/);
});
