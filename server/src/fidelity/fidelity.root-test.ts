import assert from 'node:assert/strict';
import test from 'node:test';
import { type Command, run } from '@diskferry/system/run';
import type { Difference } from '../compare/difference.ts';
import { openWorkbench } from '../file-systems/test-devices.ts';
import { propertiesOf } from './all-properties.ts';
import { captureAndDeploy } from './capture-and-deploy.ts';
import { type FidelityProperty, SUBJECT_NAMES } from './property.ts';
import { folderOf, runScripts } from './run-script.ts';
import { SUBJECTS } from './subject.ts';

for (const name of SUBJECT_NAMES) {
  test(`fidelity of ${name}`, async (t) => {
    const bench = openWorkbench(t);
    const subject = SUBJECTS[name];
    const properties = propertiesOf(name);
    const { copies, notes } = await captureAndDeploy(bench, subject, (device) =>
      runScripts(bench, device, subject, properties, 'plant'),
    );

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

function isOf({ wholeVolume, reportedAt, reported }: FidelityProperty, index: number) {
  const folder = folderOf(index);
  return ({ path, property }: Difference): boolean => {
    if (reportedAt !== undefined || wholeVolume === true) {
      return path === (reportedAt ?? '') && property === reported;
    }
    return path === folder || path.startsWith(`${folder}/`);
  };
}
