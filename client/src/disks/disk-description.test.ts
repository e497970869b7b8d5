import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeDisk } from './disk-description.ts';

const PLAIN = {
  name: 'sda',
  size: 500_107_862_016,
  sectorSize: { logical: 512, physical: 4096 },
  transport: 'unknown',
  removable: false,
  readOnly: false,
} as const;

test('a disk is described by what tells it from others, in one line', () => {
  const disk = {
    ...PLAIN,
    model: 'Samsung SSD 970 EVO',
    serial: 'S466NX0M',
    wwn: 'eui.0025385b91b0a3c1',
    transport: 'nvme',
  } as const;
  assert.equal(
    describeDisk(disk),
    'Samsung SSD 970 EVO, 500.1 GB, nvme, serial S466NX0M, wwn eui.0025385b91b0a3c1',
  );
});

test('what is not known of a disk is left out, and what is unusual is said', () => {
  assert.equal(describeDisk(PLAIN), 'disk, 500.1 GB');
  const unusual = {
    ...PLAIN,
    sectorSize: { logical: 4096, physical: 4096 },
    removable: true,
    readOnly: true,
  };
  assert.equal(describeDisk(unusual), 'disk, 500.1 GB, 4096-byte sectors, removable, write-protected');
});
