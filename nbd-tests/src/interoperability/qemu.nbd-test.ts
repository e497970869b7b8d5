import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { run, runJson } from '@diskferry/system/run';
import { missing } from '../setup/programs.ts';
import { KIB, MIB, sha256 } from '../setup/scratch.ts';
import { SECURITIES, serveFile, type ServedFile } from './serve-file.ts';

/** QEMU's words for an export, with the key of the client where there is one. */
function imageOptions({ client, file, certificates }: ServedFile): {
  readonly objects: readonly string[];
  readonly image: string;
} {
  const image = `driver=nbd,host=${client.host},port=${client.port},export=${client.exportName(file)}`;
  if (certificates === undefined) return { objects: [], image };
  const object = `tls-creds-x509,id=tls,endpoint=client,dir=${certificates.folder},verify-peer=on`;
  return { objects: ['--object', object], image: `${image},tls-creds=tls` };
}

for (const security of SECURITIES) {
  describe(`over ${security}`, () => {
    test('qemu-img converts a disk to an image, and finds them alike', {
      skip: missing('qemu-img'),
    }, async (t) => {
      const served = await serveFile(t, { security });
      const { objects, image } = imageOptions(served);
      const qcow2 = join(served.folder, 'image.qcow2');
      await run(['qemu-img', 'convert', ...objects, '--image-opts', '-O', 'qcow2', image, qcow2]);
      const alike = await run([
        'qemu-img',
        'compare',
        ...objects,
        '--image-opts',
        image,
        `driver=qcow2,file.filename=${qcow2}`,
      ]);
      assert.match(alike.stdout, /identical/);
      const raw = join(served.folder, 'raw');
      await run(['qemu-img', 'convert', '-O', 'raw', qcow2, raw]);
      assert.equal(await sha256(raw), await sha256(served.file));
    });

    test('qemu-img writes an image to a disk', { skip: missing('qemu-img') }, async (t) => {
      const source = await serveFile(t, { security });
      const destination = await serveFile(t, { security, writable: true });
      const { objects, image } = imageOptions(destination);
      await run(['qemu-img', 'convert', '-n', ...objects, '--target-image-opts', source.file, image]);
      assert.equal(await sha256(destination.file), await sha256(source.file));
    });

    test('qemu-img tells size and map', { skip: missing('qemu-img') }, async (t) => {
      const served = await serveFile(t, { security });
      const { objects, image } = imageOptions(served);
      const info = await runJson<{ 'virtual-size': number }>([
        'qemu-img',
        'info',
        ...objects,
        '--image-opts',
        image,
        '--output=json',
      ]);
      assert.equal(info['virtual-size'], served.size);
      const map = await runJson<{ start: number; length: number }[]>([
        'qemu-img',
        'map',
        ...objects,
        '--image-opts',
        image,
        '--output=json',
      ]);
      assert.equal(
        map.reduce((sum, { length }) => sum + length, 0),
        served.size,
      );
    });

    test('qemu-io reads, writes, zeroes and discards', { skip: missing('qemu-io') }, async (t) => {
      const served = await serveFile(t, { security, writable: true });
      const { objects, image } = imageOptions(served);
      const before = readFileSync(served.file);
      const commands = [
        'write -P 0x11 1M 3M',
        'write -f -P 0x22 2M 4k',
        'read -P 0x11 1M 1M',
        'read -P 0x22 2M 4k',
        'read -P 0x11 2052k 4k',
        'writev -P 0x33 8M 512 1024 4096',
        'readv -P 0x33 8M 4096 1536',
        'write -z 1M 64k',
        'write -z -u 1088k 64k',
        'read -P 0 1M 128k',
        'discard 10M 64k',
        'aio_write -P 0x44 12M 1M',
        'aio_write -P 0x55 13M 1M',
        'aio_read -P 0x33 8M 4k',
        'aio_flush',
        'flush',
      ];
      const { stdout } = await run([
        'qemu-io',
        ...objects,
        '--image-opts',
        image,
        ...commands.flatMap((command) => ['-c', command]),
      ]);
      assert.doesNotMatch(stdout, /failed|error/i);

      const after = readFileSync(served.file);
      const expected = Buffer.from(before);
      expected.fill(0x11, MIB, 4 * MIB).fill(0x22, 2 * MIB, 2 * MIB + 4 * KIB);
      expected.fill(0x33, 8 * MIB, 8 * MIB + 5632).fill(0, MIB, MIB + 128 * KIB);
      expected.fill(0x44, 12 * MIB, 13 * MIB).fill(0x55, 13 * MIB, 14 * MIB);
      // What a discarded range holds is not said.
      after.copy(expected, 10 * MIB, 10 * MIB, 10 * MIB + 64 * KIB);
      assert.ok(after.equals(expected), 'the file holds what qemu-io wrote');
    });

    test('qemu-io is refused on a read-only disk', { skip: missing('qemu-io') }, async (t) => {
      const served = await serveFile(t, { security });
      const { objects, image } = imageOptions(served);
      const before = await sha256(served.file);
      const { stdout, stderr } = await run(
        ['qemu-io', ...objects, '--image-opts', image, '-c', 'write -P 1 0 4k'],
        { okExitCodes: [0, 1] },
      );
      assert.match(stdout + stderr, /permission denied|read[- ]only/i);
      assert.equal(await sha256(served.file), before);
    });
  });
}
