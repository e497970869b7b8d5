import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { DiskAddress } from '../disk-address.ts';
import { MemoryDisk } from '../memory-disk.ts';
import { type ConnectOptions, connectNbd, listExports, type NbdServer } from './client.ts';
import type { NbdDisk } from './nbd-disk.ts';
import { NbdError } from './nbd-error.ts';
import { connectReconnectingNbd } from './reconnecting-disk.ts';
import { serveConnection } from './server.ts';
import { ownAddress } from './testing/own-address.ts';
import { catalogOf, pattern } from './testing/server-setup.ts';
import { CLIENT, clientTls, SERVER } from './testing/tls-keys.ts';

// This package depends on nothing, so that the one door to external programs, of the system package, is not open to it.
const execute = promisify(execFile);

const SIZE = 5 * 1024 * 1024;

/** A reason to skip, if a program is missing; nbd-server is in a folder that is not everybody's. */
function missing(...programs: string[]): string | false {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  const absent = programs.filter((program) => !folders.some((folder) => existsSync(join(folder, program))));
  return absent.length === 0 ? false : `not installed: ${absent.join(', ')}`;
}

interface Scene {
  readonly folder: string;
  readonly image: string;
}

function scene(t: TestContext): Scene {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-peers-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const image = join(folder, 'image');
  writeFileSync(image, pattern(SIZE));
  return { folder, image };
}

/** How long a server may take to start, in ms. */
const START_TIMEOUT_MS = 60_000;
const START_POLL_MS = 20;

/** Starts a server that goes into the background and writes its process id, and waits until it listens. */
async function startDaemon(
  t: TestContext,
  pidFile: string,
  server: NbdServer,
  [program, ...args]: readonly [string, ...string[]],
  options: ConnectOptions = {},
): Promise<{ readonly kill: () => Promise<void> }> {
  await execute(program, args);
  const pid = await eventually(() => readPid(pidFile));
  let isGone = false;
  t.after(() => {
    if (!isGone) process.kill(pid);
  });
  await eventually(() => listExports(server, options));
  const kill = async (): Promise<void> => {
    process.kill(pid, 'SIGKILL');
    isGone = true;
    await eventually(() => {
      if (existsSync(`/proc/${pid}`)) throw new Error(`the process ${pid} is still there`);
    });
    rmSync(pidFile);
  };
  return { kill };
}

function readPid(pidFile: string): number {
  const text = readFileSync(pidFile, 'utf8');
  if (!/^\d+\s/.test(text)) throw new Error(`there is no process id in ${pidFile}`);
  return Number.parseInt(text, 10);
}

/** nbd-server writes its process id, and listens, only after its parent has ended: no event tells of it. */
async function eventually<T>(attempt: () => T | Promise<T>): Promise<T> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await sleep(START_POLL_MS);
  }
}

/** Reads all of an export, writes in its middle, and reads that back. */
async function exercise(address: DiskAddress, options: ConnectOptions = {}): Promise<void> {
  const disk = await connectNbd(address, options);
  assert.equal(disk.size, SIZE);
  const target = Buffer.alloc(SIZE - 1001);
  await disk.read(1000, target);
  assert.equal(target.compare(pattern(SIZE), 1000, SIZE - 1), 0);
  await disk.write(1024 * 1024, Buffer.alloc(2 * 1024 * 1024, 0x77), { fua: true });
  await disk.writeZeroes(1024 * 1024, 4096);
  await disk.discard(4 * 1024 * 1024, 4096);
  await disk.flush();
  const [zeroes, data] = [Buffer.alloc(4096), Buffer.alloc(4096)];
  await Promise.all([disk.read(1024 * 1024, zeroes), disk.read(2 * 1024 * 1024, data)]);
  assert.deepEqual(zeroes, Buffer.alloc(4096));
  assert.deepEqual(data, Buffer.alloc(4096, 0x77));
  await disk.close();
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof NbdError && error.code === code;
}

describe('the client works with', () => {
  test('nbdkit', { skip: missing('nbdkit') }, async (t) => {
    const { folder, image } = scene(t);
    const [socketPath, pidFile] = [join(folder, 'socket'), join(folder, 'pid')];
    await startDaemon(t, pidFile, { socketPath }, [
      'nbdkit',
      '--unix',
      socketPath,
      '--pidfile',
      pidFile,
      'file',
      image,
    ]);
    await exercise({ transport: 'unix', socketPath, exportName: '' });
    const [first] = await listExports({ socketPath });
    assert.deepEqual([first?.name, first?.size, first?.readOnly], ['', SIZE, false]);
  });

  test('qemu-nbd', { skip: missing('qemu-nbd') }, async (t) => {
    const { folder, image } = scene(t);
    const [socketPath, pidFile] = [join(folder, 'socket'), join(folder, 'pid')];
    const args = [
      '--fork',
      '--persistent',
      '--format=raw',
      `--socket=${socketPath}`,
      `--pid-file=${pidFile}`,
    ];
    await startDaemon(t, pidFile, { socketPath }, [
      'qemu-nbd',
      ...args,
      '--export-name=sda',
      '--description=an image',
      image,
    ]);
    await exercise({ transport: 'unix', socketPath, exportName: 'sda' });
    const [first] = await listExports({ socketPath });
    assert.deepEqual([first?.name, first?.description, first?.size], ['sda', 'an image', SIZE]);
    const unknown = connectNbd({ transport: 'unix', socketPath, exportName: 'sdb' });
    await assert.rejects(unknown, hasCode('NBD_UNKNOWN_EXPORT'));
  });

  test('nbd-server', { skip: missing('nbd-server') }, async (t) => {
    const { folder, image } = scene(t);
    const [config, pidFile, { host, port }] = [join(folder, 'config'), join(folder, 'pid'), ownAddress()];
    writeFileSync(
      config,
      `[generic]\nport = ${port}\nlistenaddr = ${host}\nallowlist = true\n[sda]\nexportname = ${image}\nflush = true\n`,
    );
    await startDaemon(t, pidFile, { host, port }, ['nbd-server', '-C', config, '-p', pidFile]);
    await exercise({ transport: 'tcp', host, port, exportName: 'sda' });
    const [first] = await listExports({ host, port });
    assert.deepEqual([first?.name, first?.size], ['sda', SIZE]);
    const unknown = connectNbd({ transport: 'tcp', host, port, exportName: 'sdb' });
    await assert.rejects(unknown, hasCode('NBD_UNKNOWN_EXPORT'));
  });
});

/** A folder with the keys of the tests, as nbdkit and qemu-nbd want them: the client's certificate is the authority. */
function keyFolder(folder: string): string {
  writeFileSync(join(folder, 'ca-cert.pem'), CLIENT.cert);
  writeFileSync(join(folder, 'server-cert.pem'), SERVER.cert);
  writeFileSync(join(folder, 'server-key.pem'), SERVER.key);
  return folder;
}

describe('the client works under TLS with', () => {
  type Command = (folder: string, socketPath: string, pidFile: string, image: string) => string;
  const commands: Record<string, Command> = {
    nbdkit: (folder, socketPath, pidFile, image) =>
      `--unix ${socketPath} --pidfile ${pidFile} --tls=require --tls-certificates=${folder} --tls-verify-peer file ${image}`,
    'qemu-nbd': (folder, socketPath, pidFile, image) =>
      `--fork --persistent --format=raw --socket=${socketPath} --pid-file=${pidFile} ` +
      `--object=tls-creds-x509,id=keys,dir=${folder},endpoint=server,verify-peer=on --tls-creds=keys ${image}`,
  };

  for (const [program, args] of Object.entries(commands)) {
    test(program, { skip: missing(program) }, async (t) => {
      const { folder, image } = scene(t);
      const [socketPath, pidFile] = [join(folder, 'socket'), join(folder, 'pid')];
      const tls = clientTls((socket) => {
        const { subject } = socket.getPeerCertificate();
        return subject.CN === 'server of the tests' ? undefined : new Error('it is another one');
      });
      const words = args(keyFolder(folder), socketPath, pidFile, image).split(' ');
      const command = [program, ...words] as const;
      await startDaemon(t, pidFile, { socketPath }, command, { tls });
      const address = { transport: 'unix', socketPath, exportName: '' } as const;
      await exercise(address, { tls });
      await assert.rejects(connectNbd(address), {
        code: 'NBD_REFUSED',
        message: /encrypted connections only/,
      });
      const wary = clientTls(() => new Error('not trusted'));
      await assert.rejects(connectNbd(address, { tls: wary }), {
        code: 'NBD_UNTRUSTED',
        message: 'not trusted',
      });
    });
  }
});

describe('the client finds holes with', () => {
  const MIB = 1024 * 1024;

  const commands: Record<string, (socketPath: string, pidFile: string, image: string) => string> = {
    nbdkit: (socketPath, pidFile, image) => `--unix ${socketPath} --pidfile ${pidFile} file ${image}`,
    'qemu-nbd': (socketPath, pidFile, image) =>
      `--fork --persistent --format=raw --socket=${socketPath} --pid-file=${pidFile} ${image}`,
  };

  for (const [program, args] of Object.entries(commands)) {
    test(program, { skip: missing(program) }, async (t) => {
      const { folder } = scene(t);
      const [socketPath, pidFile, image] = [
        join(folder, 'socket'),
        join(folder, 'pid'),
        join(folder, 'sparse'),
      ];
      writeFileSync(image, Buffer.alloc(MIB, 0x11));
      truncateSync(image, 6 * 1024 * MIB);
      await startDaemon(t, pidFile, { socketPath }, [
        program,
        ...args(socketPath, pidFile, image).split(' '),
      ]);
      const disk = await connectNbd({ transport: 'unix', socketPath, exportName: '' });
      const [data, hole] = (await disk.extents?.(512, 2 * MIB)) ?? [];
      assert.deepEqual(data, { length: MIB - 512, hole: false, zero: false });
      assert.deepEqual(hole, { length: MIB + 512, hole: true, zero: true });
      // Up to the end, however many answers it takes.
      let at = MIB;
      while (at < disk.size) {
        for (const extent of (await disk.extents?.(at, disk.size - at)) ?? []) {
          assert.deepEqual([extent.hole, extent.zero], [true, true]);
          at += extent.length;
        }
      }
      assert.equal(at, disk.size);
      await disk.close();
    });
  }
});

describe('a reconnecting disk', () => {
  async function killAndRestart(
    t: TestContext,
    change: (disk: NbdDisk) => Promise<void>,
  ): Promise<{ disk: NbdDisk; events: string[] }> {
    const { folder, image } = scene(t);
    const [socketPath, pidFile] = [join(folder, 'socket'), join(folder, 'pid')];
    const command = ['nbdkit', '--unix', socketPath, '--pidfile', pidFile, 'file', image] as const;
    const first = await startDaemon(t, pidFile, { socketPath }, command);
    const events: string[] = [];
    const address = { transport: 'unix', socketPath, exportName: '' } as const;
    const disk = await connectReconnectingNbd(address, {
      connections: 4,
      onInterruption: ({ kind }) => events.push(kind),
    });
    t.after(() => disk.close());
    await change(disk);
    await first.kill();
    rmSync(socketPath);
    await startDaemon(t, pidFile, { socketPath }, command);
    return { disk, events };
  }

  test('survives a server that is killed and started again', { skip: missing('nbdkit') }, async (t) => {
    const { disk, events } = await killAndRestart(t, async (disk) => {
      await disk.write(0, Buffer.alloc(4096, 0x66));
      await disk.flush();
    });
    const target = Buffer.alloc(SIZE);
    await disk.read(0, target);
    assert.equal(target.compare(pattern(SIZE), 4096, SIZE, 4096), 0);
    assert.deepEqual(target.subarray(0, 4096), Buffer.alloc(4096, 0x66));
    assert.deepEqual(events, ['lost', 'restored']);
  });

  test('does not trust it with writes that were not flushed', { skip: missing('nbdkit') }, async (t) => {
    const { disk } = await killAndRestart(t, (disk) => disk.write(0, Buffer.alloc(4096, 0x66)));
    await assert.rejects(disk.read(0, Buffer.alloc(512)), { code: 'NBD_CHANGED', message: /may be lost/ });
  });
});

describe('the server works with', () => {
  for (const logical of [512, 4096]) {
    /** Our server with one writable disk, on a unix socket. */
    const serve = async (
      t: TestContext,
    ): Promise<{ disk: MemoryDisk; folder: string; socketPath: string }> => {
      const { folder } = scene(t);
      const disk = new MemoryDisk(pattern(SIZE), { sectorSize: { logical, physical: 4096 } });
      const socketPath = join(folder, 'socket');
      const server = createServer(
        (socket) => void serveConnection(socket, () => ({ catalog: catalogOf({ sda: disk }) })),
      );
      server.listen(socketPath);
      await once(server, 'listening');
      t.after(() => server.close());
      return { disk, folder, socketPath };
    };

    test(`nbdinfo, on sectors of ${logical} bytes`, { skip: missing('nbdinfo') }, async (t) => {
      const { socketPath } = await serve(t);
      const { stdout } = await execute('nbdinfo', ['--json', `nbd+unix:///?socket=${socketPath}`]);
      const [info] = (JSON.parse(stdout) as { exports: Record<string, unknown>[] }).exports;
      assert.equal(info?.['export-size'], SIZE);
      assert.equal(info['block_size_minimum'], logical);
      const list = await execute('nbdinfo', ['--list', `nbd+unix:///?socket=${socketPath}`]);
      assert.match(list.stdout, /export="sda":\n\s*description: the disk sda/);
    });

    test(`nbdcopy, both ways, on sectors of ${logical} bytes`, { skip: missing('nbdcopy') }, async (t) => {
      const { disk, folder, socketPath } = await serve(t);
      const uri = `nbd+unix:///sda?socket=${socketPath}`;
      const copy = join(folder, 'copy');
      await execute('nbdcopy', [uri, copy]);
      assert.equal(readFileSync(copy).compare(disk.bytes), 0);
      const other = Buffer.alloc(SIZE, 0x33).fill(0, 65536, 1024 * 1024);
      writeFileSync(copy, other);
      await execute('nbdcopy', ['--flush', copy, uri]);
      assert.equal(other.compare(disk.bytes), 0);
    });

    test(`qemu-img, both ways, on sectors of ${logical} bytes`, { skip: missing('qemu-img') }, async (t) => {
      const { disk, folder, socketPath } = await serve(t);
      const uri = `nbd+unix:///sda?socket=${socketPath}`;
      const image = join(folder, 'image.qcow2');
      await execute('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', uri, image]);
      const { stdout } = await execute('qemu-img', ['compare', '-f', 'qcow2', '-F', 'raw', image, uri]);
      assert.match(stdout, /identical/);
      disk.bytes.fill(0x44);
      await execute('qemu-img', ['convert', '-n', '-f', 'qcow2', '-O', 'raw', image, uri]);
      assert.equal(Buffer.from(disk.bytes).compare(pattern(SIZE)), 0);
    });
  }
});
