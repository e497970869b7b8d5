import { useTestFolder } from '../testing/test-folder.ts';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { run } from '@diskferry/system/run';
import { openSession } from '@diskferry/system/session';
import { extendPath } from '@diskferry/system/tools';
import type { ImageFormat } from '../simulated-disk.ts';
import { attachDisk } from '../switch.ts';
import { createImage, inspectImage } from './virtual-disk.ts';

extendPath();

const MIB = 1024 * 1024;
const folder = useTestFolder();

describe('an image of the format', () => {
  for (const format of ['raw', 'qcow2', 'vmdk', 'vhdx', 'vdi'] as const satisfies ImageFormat[]) {
    test(`${format} is made empty, written in any order and read again with the sectors of its table`, async () => {
      await using session = openSession('test');
      const path = join(folder, `image.${format}`);
      await createImage(path, format, 256 * MIB);
      const disk = await attachDisk(
        { kind: 'image', path, format },
        { session, mode: 'write', sectorSize: { logical: 4096, physical: 4096 } },
      );
      assert.equal(disk.size, 256 * MIB);
      const bytes = randomBytes(2 * MIB);
      await disk.write(200 * MIB, bytes);
      await disk.write(100 * MIB + 4096, bytes);
      await run(['sfdisk', '-q', '--no-reread', '--no-tell-kernel', disk.device], {
        input: 'label: gpt\nsize=16MiB\n',
      });
      await disk.zero({ start: 200 * MIB, size: MIB });
      await disk.detach();

      const { format: found, allocatedSize } = await inspectImage(path);
      assert.equal(found, format);
      assert.ok(allocatedSize < 16 * MIB, `${allocatedSize} bytes are allocated`);
      const again = await attachDisk({ kind: 'image', path, format }, { session, mode: 'copy-on-write' });
      assert.equal(again.sectorSize.logical, 4096);
      assert.equal((await again.readPartitionTable()).partitions.length, 1);
      assert.ok((await again.read(100 * MIB + 4096, 2 * MIB)).equals(bytes));
      assert.ok((await again.read(200 * MIB, MIB)).equals(Buffer.alloc(MIB)));
      assert.ok((await again.read(201 * MIB, MIB)).equals(bytes.subarray(MIB)));
      await again.detach();
    });

    test(`${format} that is new does not grow by what is discarded or zeroed on it`, async () => {
      await using session = openSession('test');
      const path = join(folder, `new.${format}`);
      const size = 512 * 1024 * MIB;
      await createImage(path, format, size);
      const empty = (await inspectImage(path)).allocatedSize;
      const disk = await attachDisk({ kind: 'image', path, format }, { session, mode: 'write', isNew: true });
      const bytes = randomBytes(MIB);
      await disk.write(size / 2, bytes);
      await run(['blkdiscard', '--length', String(size / 2), disk.device]);
      await run(['blkdiscard', '--offset', String(size / 2 + MIB), disk.device]);
      await run(['blkdiscard', '--zeroout', '--length', String(1024 * MIB), disk.device]);
      assert.ok((await disk.read(size / 2 - MIB, MIB)).equals(Buffer.alloc(MIB)));
      assert.ok((await disk.read(size / 2, MIB)).equals(bytes));
      await disk.detach();
      const grown = (await inspectImage(path)).allocatedSize - empty;
      // One cluster or block of VHDX has 32 MiB.
      assert.ok(grown < 40 * MIB, `${grown} bytes were added`);
    });
  }

  test('vhdx cannot be larger than 64 TiB, which is said', async () => {
    await assert.rejects(createImage(join(folder, 'large.vhdx'), 'vhdx', 65 * 2 ** 40), {
      code: 'IMAGE_SIZE',
      message: /large\.vhdx cannot be a vhdx image of \d+ bytes: .*choose another format/,
    });
  });
});
