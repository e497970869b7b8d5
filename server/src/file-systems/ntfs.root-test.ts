import assert from 'node:assert/strict';
import { appendFile, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { run } from '@diskferry/system/run';
import { sizeOfDevice, withDevice } from './block-device.ts';
import type { FileSystem } from './file-system.ts';
import { SYSTEM_FILE } from './ntfs-record.ts';
import { surveyNtfs } from './ntfs-survey.ts';
import { readNtfsVolume } from './ntfs-volume.ts';
import { AWKWARD, describeNtfs, fillNtfs, makeNtfsVolume, mountNtfs } from './ntfs-test-volume.ts';
import { recogniseFileSystem } from './recognise.ts';
import { allocatedBytes, openWorkbench, type Workbench } from './test-devices.ts';

const MIB = 1024 * 1024;
const SIZE = 96 * MIB;

interface Made {
  readonly bench: Workbench;
  readonly source: string;
  readonly image: string;
  readonly fileSystem: FileSystem;
}

async function makeRich(t: TestContext): Promise<Made> {
  const bench = openWorkbench(t);
  const { device, image } = await makeNtfsVolume(bench, SIZE, fillNtfs);
  const fileSystem = await recogniseFileSystem(device);
  assert.equal(fileSystem.how, 'files');
  assert.deepEqual(fileSystem.notes, []);
  return { bench, source: device, image, fileSystem };
}

let copies = 0;

async function copyTo(
  { bench, source, fileSystem }: Made,
  bytes: number,
  sectorSize = 512,
): Promise<{ device: string; image: string }> {
  const image = bench.file(`copy-${copies++}`, bytes);
  const device = await bench.loop(image, { sectorSize });
  await fileSystem.create(device, bench.context);
  await fileSystem.copy(source, device, bench.context);
  return { device, image };
}

/** ntfsresize accounts for every cluster of every file before it plans anything. */
async function checkByNtfsresize(device: string): Promise<void> {
  const { stdout } = await run(['ntfsresize', '--info', '--force', '--no-progress-bar', device]);
  assert.match(stdout, /Accounting clusters/);
}

async function describe(bench: Workbench, device: string): Promise<string[]> {
  const folder = await mountNtfs(bench, device, ',ro');
  const lines = await describeNtfs(folder);
  await bench.unmount(folder);
  return lines;
}

test('an NTFS volume with everything in it is the same on a device of any size and any sectors', async (t) => {
  const made = await makeRich(t);
  const { bench, source, fileSystem } = made;
  const expected = await describe(bench, source);
  for (const [what, path] of Object.entries(AWKWARD)) {
    assert.ok(
      expected.some((line) => line.startsWith(`./${path} `)),
      what,
    );
  }
  const marks = /0000002000.*|system\.ntfs_(object_id|reparse_data|dos_name|ea)=0x/;
  assert.ok(expected.filter((line) => marks.test(line)).length >= 6);
  for (const [bytes, sectorSize] of [
    [SIZE, 512],
    [2 * SIZE + 12_288, 512],
    [SIZE / 2, 512],
    [SIZE, 4096],
    // File records of 4096 bytes take four times the room.
    [60 * MIB, 4096],
  ] as const) {
    const { device } = await copyTo(made, bytes, sectorSize);
    await checkByNtfsresize(device);
    assertSame(await describe(bench, device), expected, `${bytes} bytes, sectors of ${sectorSize}`);
    assert.deepEqual(await fileSystem.verify(source, device, bench.context), []);
    const copy = await recogniseFileSystem(device);
    assert.deepEqual([copy.uuid, copy.label], [fileSystem.uuid, 'Größe']);
  }
  assert.deepEqual(bench.warnings, []);
});

test('a volume on sectors of 4096 bytes comes onto sectors of 512 bytes and back', async (t) => {
  const bench = openWorkbench(t);
  const { device } = await makeNtfsVolume(bench, SIZE, fillNtfs, { sectorSize: 4096 });
  const fileSystem = await recogniseFileSystem(device);
  const made = { bench, source: device, image: '', fileSystem };
  const expected = await describe(bench, device);
  const small = await copyTo(made, SIZE + MIB, 512);
  await checkByNtfsresize(small.device);
  assertSame(await describe(bench, small.device), expected);
  assert.deepEqual(fileSystem.suitability({ bytes: SIZE, sectorBytes: 512 }).changes, [
    'its sectors become 512 bytes large, they are 4096',
  ]);
  const back = await copyTo(
    { ...made, source: small.device, fileSystem: await recogniseFileSystem(small.device) },
    SIZE,
    4096,
  );
  await checkByNtfsresize(back.device);
  assertSame(await describe(bench, back.device), expected);
});

test('a volume fits onto a device of its least size, and not onto a smaller one', async (t) => {
  const made = await makeRich(t);
  const { fileSystem, bench, source } = made;
  const { device } = await copyTo(made, fileSystem.smallestBytes);
  await checkByNtfsresize(device);
  assert.deepEqual(await fileSystem.verify(source, device, bench.context), []);
  const tooSmall = await bench.loop(
    bench.file('small', Math.floor((fileSystem.smallestBytes * 0.9) / 512) * 512),
  );
  await assert.rejects(() => fileSystem.create(tooSmall, bench.context), { code: 'UNSUITABLE' });
  await assert.rejects(() => fileSystem.copy(source, tooSmall, bench.context), { code: 'UNSUITABLE' });
  assert.deepEqual(await readBytes(join(bench.folder, 'small'), 0, 512), Buffer.alloc(512));
});

test('free space, deleted names and the contents of a paging file stay behind', async (t) => {
  const bench = openWorkbench(t);
  const junk = Buffer.from('JUNK-OF-A-DELETED-FILE.'.repeat(1000));
  const { device } = await makeNtfsVolume(bench, SIZE, async (folder) => {
    await writeFile(join(folder, 'pagefile.sys'), Buffer.alloc(20 * MIB, 'PAGED-MEMORY'));
    await writeFile(join(folder, 'deleted'), junk);
    await writeFile(join(folder, 'NAME-OF-A-DELETED-FILE'), 'SMALL-CONTENTS');
    await run(['sync', '--file-system', folder]);
    await rm(join(folder, 'deleted'));
    await rm(join(folder, 'NAME-OF-A-DELETED-FILE'));
    await writeFile(join(folder, 'kept'), 'KEPT-CONTENTS');
  });
  const fileSystem = await recogniseFileSystem(device);
  const { image } = await copyTo({ bench, source: device, image: '', fileSystem }, SIZE);
  const content = await readFile(image);
  const holds = (text: string, encoding: BufferEncoding): boolean =>
    content.includes(Buffer.from(text, encoding));
  assert.equal(holds('KEPT-CONTENTS', 'latin1'), true);
  for (const text of ['JUNK-OF-A-DELETED-FILE', 'PAGED-MEMORY', 'SMALL-CONTENTS']) {
    assert.equal(holds(text, 'latin1'), false, text);
  }
  assert.ok((await allocatedBytes(image)) < 4 * MIB);
});

test('old data on the destination does not come up in a file', async (t) => {
  const bench = openWorkbench(t);
  const { device } = await makeNtfsVolume(bench, SIZE, async (folder) => {
    await writeFile(join(folder, 'pagefile.sys'), Buffer.alloc(8 * MIB, 1));
    await writeFile(join(folder, 'zeros'), Buffer.alloc(300_000));
  });
  const fileSystem = await recogniseFileSystem(device);
  const image = bench.file('copy', SIZE);
  await writeFile(image, Buffer.alloc(SIZE, 'OLD-DATA'));
  const copy = await bench.loop(image);
  const context = { ...bench.context, zeroed: false };
  await fileSystem.create(copy, context);
  await fileSystem.copy(device, copy, context);
  assert.deepEqual(await fileSystem.verify(device, copy, context), []);
  const folder = await mountNtfs(bench, copy, ',ro');
  for (const name of ['pagefile.sys', 'zeros']) {
    const { stdout } = await run(['cat', join(folder, name)], { encoding: 'latin1' });
    assert.doesNotMatch(stdout, /OLD-DATA/, name);
  }
});

test('the boot sector tells where the new partition starts, and boot code stays', async (t) => {
  const bench = openWorkbench(t);
  const { device } = await makeNtfsVolume(bench, SIZE, async () => {});
  await writeAtByte(device, 0x100, Buffer.from('BOOT CODE'));
  const fileSystem = await recogniseFileSystem(device);
  const disk = bench.file('disk', SIZE + 5 * MIB);
  bench.session.hold({ kind: 'loop', backing: disk });
  const range = ['--offset', String(3 * MIB), '--sizelimit', String(SIZE / 2)];
  const copy = (await run(['losetup', '--find', '--show', ...range, disk])).stdout.trim();
  await fileSystem.create(copy, bench.context);
  await fileSystem.copy(device, copy, bench.context);
  const boot = await readBytes(disk, 3 * MIB, 512);
  assert.equal(boot.readUInt32LE(28), (3 * MIB) / 512);
  assert.equal(boot.toString('latin1', 0x100, 0x109), 'BOOT CODE');
  assert.deepEqual(await readBytes(disk, 3 * MIB + SIZE / 2 - 512, 512), boot);
});

const REFUSED: readonly {
  what: string;
  spoil: (bench: Workbench, device: string) => Promise<void>;
  says: RegExp;
}[] = [
  {
    what: 'a hibernated Windows',
    spoil: async (bench, device) => {
      const folder = await mountNtfs(bench, device);
      await writeFile(join(folder, 'hiberfil.sys'), Buffer.concat([Buffer.from('HIBR'), Buffer.alloc(8192)]));
      await bench.unmount(folder);
    },
    says: /hibernated.*shutdown \/s \/t 0/,
  },
  {
    what: 'a volume that is marked for a check',
    // It lets Windows check what it did.
    spoil: async (_bench, device) => void (await run(['ntfsfix', device])),
    says: /chkdsk \/f/,
  },
  {
    what: 'a log with unfinished changes',
    spoil: async (_bench, device) => {
      await writeAtByte(device, await placeOfLog(device), RESTART_PAGES_IN_USE);
    },
    says: /was not unmounted/,
  },
];

for (const { what, spoil, says } of REFUSED) {
  test(`${what} is refused, and told what to do`, async (t) => {
    const bench = openWorkbench(t);
    const { device } = await makeNtfsVolume(bench, 32 * MIB, async () => {});
    await spoil(bench, device);
    const fileSystem = await recogniseFileSystem(device);
    assert.match(fileSystem.suitability({ bytes: 32 * MIB, sectorBytes: 512 }).obstacle ?? '', says);
    assert.match(fileSystem.notes.join('\n'), says);
    const copy = await bench.loop(bench.file('copy', 32 * MIB));
    await assert.rejects(() => fileSystem.create(copy, bench.context), { code: 'UNSUITABLE' });
  });
}

test('a hiberfil.sys that no system sleeps in is no obstacle', async (t) => {
  const bench = openWorkbench(t);
  const { device } = await makeNtfsVolume(bench, 32 * MIB, async (folder) => {
    await writeFile(join(folder, 'hiberfil.sys'), Buffer.concat([Buffer.from('wake'), Buffer.alloc(8192)]));
  });
  assert.equal(
    (await recogniseFileSystem(device)).suitability({ bytes: 32 * MIB, sectorBytes: 512 }).obstacle,
    undefined,
  );
});

test('clusters of 512 bytes do not go onto sectors of 4096 bytes', async (t) => {
  const bench = openWorkbench(t);
  const { device } = await makeNtfsVolume(bench, 32 * MIB, async () => {}, {
    options: ['--cluster-size', '512'],
  });
  const fileSystem = await recogniseFileSystem(device);
  assert.match(
    fileSystem.suitability({ bytes: 64 * MIB, sectorBytes: 4096 }).obstacle ?? '',
    /clusters.*512/,
  );
});

for (const clusterSize of [512, 65_536, 1_048_576]) {
  test(`clusters of ${clusterSize} bytes are kept on a smaller device`, async (t) => {
    const bench = openWorkbench(t);
    const { device } = await makeNtfsVolume(
      bench,
      128 * MIB,
      async (folder) => {
        for (let number = 0; number < 40; number++)
          await writeFile(join(folder, `${number}`), `${number}`.repeat(5000));
        for (let number = 0; number < 40; number += 3) await rm(join(folder, `${number}`));
      },
      { options: ['--cluster-size', String(clusterSize)] },
    );
    const fileSystem = await recogniseFileSystem(device);
    const expected = await describe(bench, device);
    const made = { bench, source: device, image: '', fileSystem };
    const copy = await copyTo(made, 90 * MIB);
    await checkByNtfsresize(copy.device);
    assertSame(await describe(bench, copy.device), expected);
  });
}

/** What is changed in a copy, and the path and property that a comparison must name. */
const SPOILED: Readonly<Record<string, (folder: string) => Promise<unknown>>> = {
  'large: content': async (folder) => {
    const file = await open(join(folder, 'large'), 'r+');
    await file.write('other', 500_000);
    await file.close();
  },
  'tiny: content': (folder) => writeFile(join(folder, 'tiny'), 'tinY'),
  'Case: existence': (folder) => rm(join(folder, 'Case')),
  'many/file number 5: content': (folder) => appendFile(join(folder, 'many/file number 5'), 'more'),
  'with streams: stream Zone.Identifier': (folder) =>
    run([
      'setfattr',
      '-n',
      'user.Zone.Identifier',
      '-v',
      '[ZoneTransfer] ZoneId=0',
      join(folder, 'with streams'),
    ]),
  'hidden: times, attributes and security identifier': (folder) =>
    run(['setfattr', '-n', 'system.ntfs_attrib_be', '-v', '0x00000006', join(folder, 'hidden')]),
  'owned: times, attributes and security identifier': (folder) =>
    run(['chown', '4321', join(folder, 'owned')]),
  'identified: object identifier': (folder) =>
    run([
      'setfattr',
      '-n',
      'system.ntfs_object_id',
      '-v',
      `0x${'ff'.repeat(16)}`,
      join(folder, 'identified'),
    ]),
  'with attributes: extended attributes': (folder) =>
    run(['setfattr', '-x', 'system.ntfs_ea', join(folder, 'with attributes')]),
  'junction: reparse point': (folder) =>
    run(['setfattr', '-h', '-x', 'system.ntfs_reparse_data', join(folder, 'junction')]),
  'a long name with a short one.txt: name': (folder) =>
    run(['setfattr', '-x', 'system.ntfs_dos_name', join(folder, 'a long name with a short one.txt')]),
  'sparse: content': (folder) => truncate(join(folder, 'sparse'), 2 ** 31 - 1),
};

test('a comparison names each file and property that is altered in a copy', async (t) => {
  const made = await makeRich(t);
  const { bench, source, fileSystem } = made;
  const { device } = await copyTo(made, SIZE);
  const folder = await mountNtfs(bench, device);
  for (const spoil of Object.values(SPOILED)) await spoil(folder);
  await bench.unmount(folder);
  const found = await fileSystem.verify(source, device, bench.context);
  const names = new Set(found.map(({ path, property }) => `${path}: ${property}`));
  for (const name of Object.keys(SPOILED))
    assert.ok(names.has(name), `${name} not in ${[...names].join('\n')}`);
});

test('a copy of an NTFS volume stops when it is aborted', async (t) => {
  const abort = new AbortController();
  const bench = openWorkbench(t, abort.signal);
  const { device } = await makeNtfsVolume(bench, 64 * MIB, (folder) =>
    writeFile(join(folder, 'large'), Buffer.alloc(30 * MIB, 'x')),
  );
  const fileSystem = await recogniseFileSystem(device);
  const copy = await bench.loop(bench.file('copy', 64 * MIB));
  const context = { ...bench.context, onProgress: () => abort.abort() };
  await assert.rejects(() => fileSystem.copy(device, copy, context), { name: 'AbortError' });
});

/** Two restart pages of 4 KiB, whose first client (of one) is at work. */
const RESTART_PAGES_IN_USE = Buffer.concat([restartPage(), restartPage()]);

function restartPage(): Buffer {
  const page = Buffer.alloc(4096);
  page.write('RSTR', 0, 'latin1');
  page.writeUInt32LE(4096, 16);
  page.writeUInt32LE(4096, 20);
  page.writeUInt16LE(48, 24);
  page.writeUInt16LE(1, 48 + 8);
  return page;
}

/** Of $LogFile on a volume, in bytes. */
async function placeOfLog(device: string): Promise<number> {
  return withDevice(device, 'read', async (file) => {
    const volume = await readNtfsVolume(file, await sizeOfDevice(device));
    const { systemFiles } = await surveyNtfs(file, volume);
    return (systemFiles.get(SYSTEM_FILE.log)?.runs[0]?.cluster ?? 0) * volume.geometry.clusterBytes;
  });
}

/** Thousands of lines are too many for a message. */
function assertSame(actual: readonly string[], expected: readonly string[], what = ''): void {
  const [ours, theirs] = [new Set(actual), new Set(expected)];
  const differing = [
    ...expected.filter((line) => !ours.has(line)).map((line) => `- ${line}`),
    ...actual.filter((line) => !theirs.has(line)).map((line) => `+ ${line}`),
  ];
  assert.deepEqual(
    differing.slice(0, 10).map((line) => line.slice(0, 300)),
    [],
    what,
  );
}

/** On a device, not in the file behind it: of that, the kernel may remember what was read before. */
async function writeAtByte(path: string, offset: number, data: Uint8Array): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(data, 0, data.length, offset);
  await file.close();
}

async function readBytes(path: string, offset: number, length: number): Promise<Buffer> {
  const file = await open(path, 'r');
  const { buffer } = await file.read(Buffer.alloc(length), 0, length, offset);
  await file.close();
  return buffer;
}
