import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import test from 'node:test';
import { type Command, run } from '@diskferry/system/run';
import type { Difference } from '../compare/difference.ts';
import { recogniseFileSystem } from '../file-systems/recognise.ts';
import type { FileSystem } from '../file-systems/file-system.ts';
import { openWorkbench, type Workbench } from '../file-systems/test-devices.ts';
import { propertiesOf } from './all-properties.ts';
import { type FidelityProperty, SUBJECT_NAMES } from './property.ts';
import { folderOf, runScripts } from './run-script.ts';
import { type Subject, SUBJECTS } from './subject.ts';

const MIB = 1024 * 1024;
/** Old data is where a new file system has its structures. */
const OLD_DATA_BYTES = 64 * MIB;

for (const name of SUBJECT_NAMES) {
  test(`fidelity of ${name}`, async (t) => {
    const bench = openWorkbench(t);
    const subject = SUBJECTS[name];
    const properties = propertiesOf(name);
    const { copies, notes } = await captureAndDeploy(bench, subject, properties);

    for (const [index, property] of properties.entries()) {
      await t.test(`${name} keeps: ${property.name}`, () => {
        for (const { differences } of copies) {
          assert.deepEqual(differences.filter(isOf(property, index)), []);
        }
        if (property.lost !== undefined) assert.match(notes, property.lost);
      });
    }
    await t.test(`${name} keeps all else, and is sound`, async () => {
      for (const { device, differences } of copies) {
        assert.deepEqual(differences, []);
        if (subject.check !== undefined) await run([...subject.check, device] as Command);
      }
      assert.deepEqual(bench.warnings, []);
    });

    const [captured, deployed] = copies;
    await runScripts(bench, deployed.device, subject, properties, 'spoil');
    const found = await deployed.fileSystem.verify(captured.device, deployed.device, bench.context);
    for (const [index, property] of properties.entries()) {
      await t.test(`the comparison of ${name} sees: ${property.name}`, () => {
        const here = found.filter(isOf(property, index));
        assert.ok(
          here.some((difference) => difference.property === property.reported),
          `found ${JSON.stringify(here)}`,
        );
      });
    }
  });
}

interface Copy {
  readonly device: string;
  readonly fileSystem: FileSystem;
  readonly differences: readonly Difference[];
}

interface Copies {
  readonly copies: readonly [captured: Copy, deployed: Copy];
  readonly notes: string;
}

/** Makes a copy of a file system and a copy of the copy, the second one on a used device of another size. */
async function captureAndDeploy(
  bench: Workbench,
  subject: Subject,
  properties: readonly FidelityProperty[],
): Promise<Copies> {
  const { make, bytes, secondBytes, how } = subject;
  const sourceFile = bench.file('source', bytes);
  const source = await bench.loop(sourceFile);
  await run([...make, source] as Command);
  await runScripts(bench, source, subject, properties, 'plant');
  const first = await bench.loop(bench.file('first copy', bytes));
  const second = await usedDevice(bench, secondBytes);

  const original = await recogniseFileSystem(source, { session: bench.session });
  assert.equal(original.how, how, original.notes.join());
  const captured = await copy(bench, original, [source, first], true);
  // The computer is gone when its image is deployed; the kernel would confuse the two Btrfs of one UUID.
  await bench.session.release({ kind: 'loop', backing: sourceFile });
  const between = await recogniseFileSystem(first, { session: bench.session });
  const deployed = await copy(bench, between, [first, second], false);
  return { copies: [captured, deployed], notes: original.notes.join('\n') };
}

async function copy(
  bench: Workbench,
  fileSystem: FileSystem,
  [from, to]: readonly [from: string, to: string],
  zeroed: boolean,
): Promise<Copy> {
  const context = { ...bench.context, zeroed };
  await fileSystem.create(to, context);
  await fileSystem.copy(from, to, context);
  return { device: to, fileSystem, differences: await fileSystem.verify(from, to, context) };
}

async function usedDevice(bench: Workbench, bytes: number): Promise<string> {
  const path = bench.file('second copy', bytes);
  const file = await open(path, 'r+');
  const old = Buffer.alloc(MIB, 'what was here before');
  for (let offset = 0; offset < Math.min(bytes, OLD_DATA_BYTES); offset += MIB) {
    await file.write(old, 0, MIB, offset);
  }
  await file.close();
  return bench.loop(path);
}

function isOf({ wholeVolume, reportedAt, reported }: FidelityProperty, index: number) {
  const folder = folderOf(index);
  return ({ path, property }: Difference): boolean => {
    if (reportedAt !== undefined || wholeVolume === true) {
      return path === (reportedAt ?? '') && property === reported;
    }
    return path === folder || path.startsWith(`${folder}/`);
  };
}
