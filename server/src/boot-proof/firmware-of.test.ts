import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Partition, PartitionTable } from '@diskferry/server-adapter/partitions/partition-table';
import { BOOT_CODE_BYTES, firmwareOf } from './firmware-of.ts';

const ESP = 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b';
const BIOS_BOOT = '21686148-6449-6e6f-744e-656564454649';
const LINUX = '0fc63daf-8483-4772-8e79-3d69d8477de4';
const NO_CODE = new Uint8Array(BOOT_CODE_BYTES);
const CODE = Uint8Array.of(0xeb, 0x63, 0x90);

function table(
  kind: PartitionTable['kind'],
  ...types: string[]
): Pick<PartitionTable, 'kind' | 'partitions'> {
  const role: Partition['role'] = kind === 'gpt' ? 'gpt' : 'primary';
  return {
    kind,
    partitions: types.map((type, index) => ({ number: index + 1, start: 0, size: 1, type, role })),
  };
}

test('a GPT disk with an EFI system partition starts under UEFI', () => {
  assert.equal(firmwareOf(table('gpt', ESP, LINUX), NO_CODE), 'uefi');
});

test('boot code in a protective MBR does not make a BIOS disk', () => {
  assert.equal(firmwareOf(table('gpt', ESP, LINUX), CODE), 'uefi');
});

test('a GPT disk with a BIOS boot partition and boot code starts under BIOS', () => {
  assert.equal(firmwareOf(table('gpt', ESP, BIOS_BOOT, LINUX), CODE), 'bios');
});

test('a BIOS boot partition without boot code starts nothing', () => {
  assert.equal(firmwareOf(table('gpt', ESP, BIOS_BOOT, LINUX), NO_CODE), 'uefi');
});

test('an MBR disk starts under BIOS, with an EFI system partition only if it has no boot code', () => {
  assert.equal(firmwareOf(table('mbr', '0x83'), CODE), 'bios');
  assert.equal(firmwareOf(table('mbr', '0xef', '0x83'), CODE), 'bios');
  assert.equal(firmwareOf(table('mbr', '0xef', '0x83'), NO_CODE), 'uefi');
});

test('a disk without partitions is left to the BIOS', () => {
  assert.equal(firmwareOf(table('none'), NO_CODE), 'bios');
});
