import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LocalDisk } from './local-disk.ts';
import { wireIdentity } from './wire-identity.ts';

const BOOT = '5b0e7a5c-0e0c-4f0e-8f3e-0d6f2f6f1a11';
const DISK: LocalDisk = {
  info: {
    name: 'sda',
    size: 500_107_862_016,
    sectorSize: { logical: 512, physical: 4096 },
    model: 'Samsung SSD 860',
    serial: 'S3Z9NB0K',
    wwn: 'naa.5002538e40a1b2c3',
    transport: 'sata',
    removable: false,
    readOnly: false,
  },
  path: '/dev/sda',
  kind: 'block-device',
  generation: '9',
};

test('a disk has the same identity as long as it is the same disk of the same running computer', () => {
  assert.match(wireIdentity(DISK, BOOT), /^[0-9a-f]{64}$/);
  assert.equal(wireIdentity({ ...DISK, info: { ...DISK.info } }, BOOT), wireIdentity(DISK, BOOT));
  assert.equal(wireIdentity(DISK), wireIdentity(DISK));
});

test('another start of the computer, another medium, size, serial number or WWN is another identity', () => {
  const info = (changed: Partial<LocalDisk['info']>): LocalDisk => ({
    ...DISK,
    info: { ...DISK.info, ...changed },
  });
  const identities = [
    wireIdentity(DISK, BOOT),
    wireIdentity(DISK, 'a1d9ea19-9c25-4b8c-8e39-3ac24bd4e7a8'),
    wireIdentity({ ...DISK, generation: '10' }, BOOT),
    wireIdentity(info({ name: 'sdb' }), BOOT),
    wireIdentity(info({ size: 250_059_350_016 }), BOOT),
    wireIdentity(info({ serial: 'S3Z9NB0L' }), BOOT),
    wireIdentity(info({ wwn: 'naa.5002538e40a1b2c4' }), BOOT),
  ];
  assert.equal(new Set(identities).size, identities.length);
});

test('a field that moves to another one changes the identity', () => {
  const { serial, wwn, ...rest } = DISK.info;
  const onlySerial = { ...DISK, info: { ...rest, serial: 'X' } };
  const onlyWwn = { ...DISK, info: { ...rest, wwn: 'X' } };
  assert.notEqual(wireIdentity(onlySerial, BOOT), wireIdentity(onlyWwn, BOOT));
  assert.ok(serial !== undefined && wwn !== undefined);
});
