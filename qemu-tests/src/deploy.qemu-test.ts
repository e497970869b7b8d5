import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { bootProof } from '@diskferry/server/boot-proof/boot-proof';
import type { DiskBus } from '@diskferry/server/qemu/machine-description';
import { openSession, type Session } from '@diskferry/system/session';
import { withBootedClient } from './booted-client.ts';
import { deployImage, diskOfSize, emptyDisk, imageOf, listDisks } from './deploy.ts';
import { differencesOfDisks } from './same-files.ts';
import type { SourceKind } from './source-computers/layout.ts';
import {
  makeSourceComputer,
  type SourceComputer,
  type SourceOptions,
} from './source-computers/source-computer.ts';

const MIB = 1024 * 1024;
/** Made small, so that half of it holds little more than the files. */
const SOURCE_BYTES = 1525 * MIB;
const ON_EXT4: SourceOptions = { sizeBytes: SOURCE_BYTES, fillWithJunk: false, fileAtEnd: true };
const ON_XFS: SourceOptions = { sizeBytes: SOURCE_BYTES, fillWithJunk: false, rootFileSystem: 'xfs' };
/** Btrfs moves its extents in large chunks and needs more room for it. */
const BTRFS_SOURCE_BYTES = 2000 * MIB;
const ON_BTRFS: SourceOptions = {
  sizeBytes: BTRFS_SOURCE_BYTES,
  fillWithJunk: false,
  rootFileSystem: 'btrfs',
};

const SAME = SOURCE_BYTES;
const HALF = 762 * MIB;
const DOUBLE = 2 * SOURCE_BYTES;
/** Half as well: disks of one computer are told apart by their sizes. */
const OTHER_HALF = HALF - MIB;

/** An empty disk, the system that it gets, and why it cannot get it where that is so. */
interface Target {
  readonly name: string;
  readonly of: SourceOptions;
  readonly bytes: number;
  readonly bus: Exclude<DiskBus, 'ide' | 'usb'>;
  readonly sectorSize: 512 | 4096;
  readonly refused?: RegExp;
  /** Left to `DISKFERRY_MATRIX=full`: each takes some three minutes, and those that stay cover every kind of change. */
  readonly onlyInFull?: true;
}

interface Computer {
  readonly name: string;
  readonly kind: SourceKind;
  readonly targets: readonly Target[];
}

const IS_FULL = process.env['DISKFERRY_MATRIX'] === 'full';
const BIOS_NEEDS_512 = /BIOS cannot start .* 4096/;

const COMPUTERS: readonly Computer[] = [
  {
    name: 'a BIOS computer',
    kind: 'bios-mbr',
    targets: [
      { name: 'same', of: ON_EXT4, bytes: SAME, bus: 'ahci', sectorSize: 512, onlyInFull: true },
      { name: 'half', of: ON_EXT4, bytes: HALF, bus: 'virtio', sectorSize: 512 },
      { name: 'double', of: ON_EXT4, bytes: DOUBLE, bus: 'virtio-scsi', sectorSize: 512, onlyInFull: true },
      { name: 'half-xfs', of: ON_XFS, bytes: OTHER_HALF, bus: 'virtio', sectorSize: 512 },
      { name: 'same-4096', of: ON_EXT4, bytes: SAME, bus: 'nvme', sectorSize: 4096, refused: BIOS_NEEDS_512 },
      { name: 'half-4096', of: ON_EXT4, bytes: HALF, bus: 'nvme', sectorSize: 4096, refused: BIOS_NEEDS_512 },
      {
        name: 'double-4096',
        of: ON_EXT4,
        bytes: DOUBLE,
        bus: 'nvme',
        sectorSize: 4096,
        refused: BIOS_NEEDS_512,
      },
    ],
  },
  {
    name: 'a UEFI computer with 512-byte sectors',
    kind: 'uefi-gpt',
    targets: [
      { name: 'same', of: ON_EXT4, bytes: SAME, bus: 'ahci', sectorSize: 512, onlyInFull: true },
      { name: 'half', of: ON_EXT4, bytes: HALF, bus: 'virtio', sectorSize: 512, onlyInFull: true },
      { name: 'double', of: ON_EXT4, bytes: DOUBLE, bus: 'nvme', sectorSize: 512 },
      { name: 'half-btrfs', of: ON_BTRFS, bytes: BTRFS_SOURCE_BYTES / 2, bus: 'virtio', sectorSize: 512 },
    ],
  },
  {
    name: 'a UEFI computer with 4096-byte sectors',
    kind: 'uefi-gpt',
    targets: [
      { name: 'same', of: ON_EXT4, bytes: SAME, bus: 'virtio', sectorSize: 4096, onlyInFull: true },
      { name: 'half', of: ON_EXT4, bytes: HALF, bus: 'nvme', sectorSize: 4096 },
      { name: 'double', of: ON_EXT4, bytes: DOUBLE, bus: 'virtio-scsi', sectorSize: 4096, onlyInFull: true },
    ],
  },
];

interface Prepared extends Target {
  readonly computer: SourceComputer;
  readonly image: string;
  readonly path: string;
}

/** Makes the source computers, their images, and the empty disks. */
async function prepare(
  { kind, targets }: Computer,
  session: Session,
  context: TestContext,
): Promise<Prepared[]> {
  const onProgress = (line: string): void => context.diagnostic(line);
  const sources = new Map<SourceOptions, Pick<Prepared, 'computer' | 'image'>>();
  const prepared: Prepared[] = [];
  for (const target of targets.filter(({ onlyInFull = false }) => IS_FULL || !onlyInFull)) {
    let source = sources.get(target.of);
    if (source === undefined) {
      const computer = await makeSourceComputer(kind, { ...target.of, onProgress });
      source = { computer, image: await imageOf(computer, session) };
      sources.set(target.of, source);
    }
    const path = await emptyDisk(session, `${target.name}.raw`, target.bytes);
    prepared.push({ ...target, ...source, path });
  }
  return prepared;
}

for (const computer of COMPUTERS) {
  test(`${computer.name} gets systems onto disks of every size, and starts from each`, async (context) => {
    await using session = openSession('deploy-test');
    const prepared = await prepare(computer, session, context);
    const disks = prepared.map(({ path, bus, sectorSize }) => {
      return { path, bus, sectorSize, format: 'raw', unsafeCache: true } as const;
    });
    const firmware = computer.kind === 'bios-mbr' ? 'bios' : 'uefi';
    const name = `deploy-${firmware}-${disks[0]?.sectorSize}`;
    await withBootedClient({ name, session, firmware, disks }, async (client) => {
      const listed = await listDisks(client);
      for (const { name: target, image, bytes, sectorSize, refused } of prepared) {
        const address = client.diskAddress(diskOfSize(listed, { bytes, sectorSize }));
        const result = await deployImage(client, { image, address });
        if (refused === undefined) {
          assert.equal(result.exitCode, 0, `${target}: ${result.stderr}`);
          const { elapsedMs } = JSON.parse(result.stdout) as { elapsedMs: number };
          context.diagnostic(`${target}: deployed in ${elapsedMs} ms`);
        } else {
          assert.match(result.stderr, refused, target);
          assert.equal(result.exitCode, 2, target);
        }
      }
    });
    for (const { name: target, path } of prepared.filter(({ refused }) => refused !== undefined)) {
      assert.equal((await stat(path)).blocks, 0, `${target} was written`);
    }
    const deployed = prepared.filter(({ refused }) => refused === undefined);
    for (const { name: target, computer: source, path, sectorSize } of deployed) {
      await using comparison = openSession('deploy-comparison');
      const copy = { path, sectorSize };
      const disksOfBoth = { source: source.diskPath, copy, layout: source.layout };
      assert.deepEqual(await differencesOfDisks(disksOfBoth, comparison), [], target);
    }
    await inPairs(deployed, async (target) => assertStarts(target, firmware, context));
  });
}

/** Boots a disk alone, on a redo log, until its login prompt. */
async function assertStarts(
  { name, path, bus, sectorSize }: Prepared,
  firmware: 'bios' | 'uefi',
  context: TestContext,
): Promise<void> {
  await using session = openSession('deploy-proof');
  const proof = await bootProof({ path, format: 'raw' }, { session, firmware, bus, sectorSize });
  context.diagnostic(`${name}: login prompt after ${proof.seconds} s`);
}

/** Two at a time: as many as there are processors, of which each machine uses one. */
async function inPairs<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all([worker(), worker()]);
}
