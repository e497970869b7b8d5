import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readInventory } from '@diskferry/protocol/inventory';
import { startClientProcess } from './test-support/client-process.ts';

const MAIN = join(import.meta.dirname, 'main.ts');
const folder = mkdtempSync(join(tmpdir(), 'diskferry-client-'));
after(() => rmSync(folder, { recursive: true }));

function makeDisk(name: string): string {
  const path = join(folder, name);
  writeFileSync(path, Buffer.alloc(1024 * 1024, 7));
  return path;
}

interface Ended {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

function runClient(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ exitCode: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

test('help and version go to standard output', async () => {
  const help = await runClient('--help');
  assert.equal(help.exitCode, 0);
  assert.match(help.stdout, /^Usage: imaging-client/);
  assert.ok(help.stdout.split('\n').every((line) => line.length < 80));
  assert.match((await runClient('--version')).stdout, /^\d+\.\d+\.\d+\n$/);
});

test('the inventory is printed as the control channel has it', async () => {
  const disk = makeDisk('json.img');
  const { stdout } = await runClient('--json', '--disk', disk, '--sector-size', '4096');
  const inventory = readInventory(JSON.parse(stdout), 'inventory');
  assert.deepEqual(inventory.disks, [
    {
      name: 'json.img',
      size: 1024 * 1024,
      sectorSize: { logical: 4096, physical: 4096 },
      transport: 'file',
      removable: false,
      readOnly: false,
    },
  ]);
});

test('a wrong command line ends with a sentence and exit code 2', async () => {
  const { exitCode, stdout, stderr } = await runClient('--port', 'x');
  assert.equal(exitCode, 2);
  assert.equal(stdout, '');
  assert.match(stderr, /^imaging-client: --port x is not a number/);
});

test('a disk that cannot be served ends with a sentence and exit code 1', async () => {
  const path = join(folder, 'missing');
  for (const action of [[], ['--json']]) {
    const { exitCode, stderr } = await runClient('--disk', path, ...action);
    assert.equal(exitCode, 1);
    assert.equal(stderr, `imaging-client: cannot serve ${path}: there is no such file\n`);
  }
});

test('two disks of one name are refused', async () => {
  const path = makeDisk('twice.img');
  const { exitCode, stderr } = await runClient('--disk', path, '--disk', path);
  assert.equal(exitCode, 1);
  assert.match(stderr, /has the same name, twice.img\n$/);
});

for (const option of ['--port', '--control-port']) {
  test(`a ${option} in use ends with a sentence and exit code 1`, async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const taken = String((other.address() as AddressInfo).port);
    const free = option === '--port' ? '--control-port' : '--port';
    const disk = makeDisk(`in-use${option}.img`);
    const args = ['--insecure', '--listen', '127.0.0.1', '--disk', disk, free, '0', option, taken];
    const { exitCode, stderr } = await runClient(...args);
    other.close();
    assert.equal(exitCode, 1);
    assert.match(stderr, new RegExp(`^imaging-client: cannot listen on port ${taken}: .*${option}\n$`));
  });
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} ends the client with exit code 0, also while a server is connected`, async () => {
    const client = await startClientProcess('--disk', makeDisk(`${signal}.img`));
    const server = connect(client.port, '127.0.0.1');
    await once(server, 'data');
    server.on('error', () => {});
    assert.deepEqual(await client.end(signal), { exitCode: 0 });
    server.destroy();
  });
}

test('a disk that goes away leaves the screen', async () => {
  const path = makeDisk('going.img');
  const client = await startClientProcess('--disk', path, '--disk', makeDisk('staying.img'));
  assert.match(client.output(), /going\.img/);
  rmSync(path);
  await client.printed(/going\.img[^]*Disks \(read-only\):\n {2}staying\.img/);
  assert.deepEqual(await client.end(), { exitCode: 0 });
});
