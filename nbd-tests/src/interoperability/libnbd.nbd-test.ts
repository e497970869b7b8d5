import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { run, runJson } from '@diskferry/system/run';
import { startImagingClient } from '../setup/imaging-client.ts';
import { missing } from '../setup/programs.ts';
import { KIB, MIB, randomFile, scratchFolder, sha256 } from '../setup/scratch.ts';
import { SECURITIES, serveFile } from './serve-file.ts';

/** The module of nbdsh is there for Debian's Python, which may not be the first in the PATH. */
const DEBIAN_PATH = '/usr/bin:/bin';

interface Info {
  readonly TLS: boolean;
  readonly structured: boolean;
  readonly exports: readonly Record<string, unknown>[];
}

interface Extent {
  readonly offset: number;
  readonly length: number;
  readonly description: string;
}

for (const security of SECURITIES) {
  describe(`over ${security}`, () => {
    test('nbdinfo sees what a disk can do', { skip: missing('nbdinfo') }, async (t) => {
      const { uri, size } = await serveFile(t, { security, sectorSize: 4096 });
      const info = await runJson<Info>(['nbdinfo', '--json', uri]);
      assert.equal(info.TLS, security === 'TLS');
      assert.equal(info.structured, true);
      const [disk] = info.exports;
      assert.equal(disk?.['export-size'], size);
      assert.equal(disk['is_read_only'], true);
      assert.equal(disk['can_df'], true);
      assert.equal(disk['can_multi_conn'], true);
      assert.equal(disk['can_cache'], true);
      assert.equal(disk['block_size_minimum'], 4096);
      assert.equal(disk['block_size_maximum'], 32 * MIB);
      // And what tells the disk from another, for our own reconnecting.
      const [allocation, identity, ...more] = disk['contexts'] as string[];
      assert.equal(allocation, 'base:allocation');
      assert.match(String(identity), /^x-diskferry:disk:[0-9a-f]{64}$/);
      assert.deepEqual(more, []);
    });

    test('nbdinfo sees that a disk may be written', { skip: missing('nbdinfo') }, async (t) => {
      const { uri } = await serveFile(t, { security, writable: true });
      const [disk] = (await runJson<Info>(['nbdinfo', '--json', uri])).exports;
      for (const ability of ['can_flush', 'can_fua', 'can_trim', 'can_zero', 'can_fast_zero']) {
        assert.equal(disk?.[ability], true, ability);
      }
      assert.equal(disk?.['is_read_only'], false);
    });

    test('nbdinfo lists the disks with their descriptions', { skip: missing('nbdinfo') }, async (t) => {
      const { client, certificates } = await serveFile(t, { security });
      const query = certificates === undefined ? '' : `?tls-certificates=${certificates.folder}`;
      const scheme = certificates === undefined ? 'nbd' : 'nbds';
      const list = [
        'nbdinfo',
        '--json',
        '--list',
        `${scheme}://${client.host}:${client.port}/${query}`,
      ] as const;
      const { exports } = await runJson<Info>(list);
      assert.deepEqual(
        exports.map((disk) => disk['export-name']),
        ['disk.raw'],
      );
      assert.match(String(exports[0]?.['description']), /24(\.0)? MiB|25(\.\d)? MB/);
    });

    test('nbdinfo maps the holes of a file', { skip: missing('nbdinfo') }, async (t) => {
      const file = join(scratchFolder(t), 'sparse.raw');
      makeSparse(file);
      const client = await startImagingClient(t, { disks: [file] });
      const extents = await runJson<Extent[]>(['nbdinfo', '--json', '--map', client.uri(file)]);
      assert.deepEqual(
        extents.map(({ offset, length, description }) => ({ offset, length, description })),
        [
          { offset: 0, length: 2 * MIB, description: 'hole,zero' },
          { offset: 2 * MIB, length: MIB, description: 'data' },
          { offset: 3 * MIB, length: 5 * MIB, description: 'hole,zero' },
        ],
      );
    });

    for (const sectorSize of [512, 4096]) {
      test(`nbdcopy reads a disk of ${sectorSize}-byte sectors`, { skip: missing('nbdcopy') }, async (t) => {
        const { uri, file, folder } = await serveFile(t, { security, sectorSize });
        const copy = join(folder, 'copy');
        await run(['nbdcopy', uri, copy]);
        assert.equal(await sha256(copy), await sha256(file));
        await run(['nbdcopy', '--synchronous', '--connections=1', uri, copy]);
        assert.equal(await sha256(copy), await sha256(file));
      });

      test(`nbdcopy writes a disk of ${sectorSize}-byte sectors`, { skip: missing('nbdcopy') }, async (t) => {
        const { uri, file, folder, size } = await serveFile(t, { security, sectorSize, writable: true });
        const other = randomFile(join(folder, 'other'), size);
        await run(['nbdcopy', '--flush', other, uri]);
        assert.equal(await sha256(file), await sha256(other));
      });
    }

    test('nbdcopy copies from one imaging client to another', { skip: missing('nbdcopy') }, async (t) => {
      const source = await serveFile(t, { security });
      const destination = await serveFile(t, { security, writable: true });
      await run(['nbdcopy', '--flush', '--requests=16', source.uri, destination.uri]);
      assert.equal(await sha256(destination.file), await sha256(source.file));
    });

    test('nbdsh: all commands, all refusals, and the disk usable after each', {
      skip: noNbdsh(),
    }, async (t) => {
      const { uri, file } = await serveFile(t, { security, writable: true });
      const { stdout } = await run(['nbdsh', '-c', '-'], {
        input: script('all-commands.py'),
        env: { NBD_URI: uri, NBD_FILE: file, PATH: DEBIAN_PATH },
      });
      assert.match(stdout, /all commands behave/);
    });

    test('nbdsh: a read-only disk refuses each command that changes it', { skip: noNbdsh() }, async (t) => {
      const { uri, file } = await serveFile(t, { security });
      const before = await sha256(file);
      const { stdout } = await run(['nbdsh', '-c', '-'], {
        input: script('read-only.py'),
        env: { NBD_URI: uri, PATH: DEBIAN_PATH },
      });
      assert.match(stdout, /nothing was changed/);
      assert.equal(await sha256(file), before);
    });
  });
}

function script(name: string): string {
  return readFileSync(join(import.meta.dirname, name), 'utf8');
}

/** 8 MiB that are holes but for one at 2 MiB. */
function makeSparse(path: string): void {
  writeFileSync(path, '');
  truncateSync(path, 8 * MIB);
  const descriptor = openSync(path, 'r+');
  writeSync(descriptor, Buffer.alloc(1024 * KIB, 0x5a), 0, MIB, 2 * MIB);
  closeSync(descriptor);
}

/** nbdsh may be there without its Python module. */
function noNbdsh(): string | false {
  const absent = missing('nbdsh');
  if (absent !== false) return absent;
  try {
    execFileSync('nbdsh', ['-c', 'pass'], { stdio: 'ignore', env: { PATH: DEBIAN_PATH } });
    return false;
  } catch {
    return 'not installed: python3-libnbd';
  }
}
