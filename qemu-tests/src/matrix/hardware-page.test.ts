import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCatalog } from './catalog.ts';
import type { CellResult } from './cell-result.ts';
import { formatTables, replaceTables } from './hardware-page.ts';

const RESULTS: Readonly<Record<string, CellResult>> = {
  'medium-bios-cd': { state: 'passed' },
  'network-e1000': { state: 'passed', modules: ['e1000'], source: 'first initrd' },
  'network-rocker': { state: 'no-driver', reason: 'no module claims pci:v1' },
  'storage-nvdimm': { state: 'passed', modules: ['nd_pmem', 'nfit'], source: 'extra drivers' },
  'storage-megasas': { state: 'failed', reason: 'no disk|\nIts last lines were' },
};

const tables = formatTables({
  catalog: makeCatalog([
    { name: 'rocker', category: 'Network', bus: 'PCI' },
    { name: 'e1000', category: 'Network', bus: 'PCI', description: 'Intel Gigabit Ethernet' },
    { name: 'nvdimm', category: 'Storage' },
    { name: 'megasas', category: 'Storage', bus: 'PCI' },
    { name: 'scsi-hd', category: 'Storage', bus: 'SCSI' },
  ]),
  media: { kernel: '6.1.0', qemu: '7.2' },
  resultOf: (cell) => RESULTS[cell],
});

test('the tables have a row for each model, with what was seen', () => {
  const lines = tables.split('\n');
  for (const line of [
    '| BIOS (SeaBIOS) | standby | not seen yet | not seen yet | the firmware cannot |',
    '| `e1000` | Intel Gigabit Ethernet | `e1000` | first initrd | has its address |',
    '| `rocker` |  |  |  | no driver: no module claims pci:v1 |',
    '| `nvdimm` |  | `nd_pmem` on `nfit` | `extra-drivers` | disk of the right size |',
    '| `megasas` |  |  |  | **failed**: no disk\\| |',
  ]) {
    assert.ok(lines.includes(line), line);
  }
  assert.match(tables, /^\| `scsi-hd` \| a disk, /m);
});

test('tables replace those of before, and nothing else of the page', () => {
  const [begin, end] = ['<!-- Made by "scripts/test --matrix" from here on. -->', '<!-- Up to here. -->'];
  const page = `# Title\n${begin}\nold\n${end}\nmore\n`;
  const once = replaceTables(page, 'new');
  assert.equal(once, `# Title\n${begin}\n\nnew\n\n${end}\nmore\n`);
  assert.equal(replaceTables(once, 'new'), once);
  assert.throws(() => replaceTables('# Title\n', 'new'), /lacks the lines/);
});
