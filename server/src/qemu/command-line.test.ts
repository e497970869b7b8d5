import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandLine, type Surroundings } from './command-line.ts';
import type { MachineDescription, MachineDisk } from './machine-description.ts';
import { readOverrides } from './overrides.ts';

const AROUND: Surroundings = {
  serialSocket: '/s/serial',
  qmpSocket: '/s/qmp',
  serialLog: '/s/log',
  firmwareFiles: undefined,
  hostPorts: new Map([[7000, 40_001]]),
  overrides: readOverrides({}),
};
const PLAIN: MachineDescription = { name: 'plain', firmware: 'bios' };

function line(machine: Partial<MachineDescription>, around: Partial<Surroundings> = {}): string {
  return commandLine({ ...PLAIN, ...machine }, { ...AROUND, ...around }).join(' ');
}

function disk(bus: MachineDisk['bus'], more: Partial<MachineDisk> = {}): MachineDisk {
  return { path: `/${bus}.raw`, format: 'raw', bus, ...more };
}

test('a machine without anything has no device but those of its chipset', () => {
  assert.doesNotMatch(line({}), /-drive|-device|-netdev|pflash/);
  assert.match(line({}), /-machine q35 -accel tcg,thread=multi/);
});

test('UEFI is given as two flash files, of which only the variables can be written', () => {
  const text = line({ firmware: 'uefi' }, { firmwareFiles: { code: '/code', variables: '/vars' } });
  assert.match(text, /unit=0,format=raw,readonly=on,file=\/code/);
  assert.match(text, /unit=1,format=raw,file=\/vars/);
});

test('with Secure Boot the firmware keeps its variables to itself', () => {
  const firmwareFiles = { code: '/code', variables: '/vars' };
  const text = line({ firmware: 'uefi-secure-boot' }, { firmwareFiles });
  assert.match(
    text,
    /-machine q35,smm=on .*cfi\.pflash01,property=secure,value=on .*unit=1,format=raw,file=\/vars/,
  );
  assert.doesNotMatch(line({ firmware: 'uefi' }, { firmwareFiles }), /smm|property=secure/);
  assert.throws(() => line({ firmware: 'uefi-secure-boot', disks: [disk('ide')] }, { firmwareFiles }), {
    code: 'MACHINE_DESCRIPTION',
  });
});

test('each bus has its controller once, and its disks get places in their order', () => {
  const text = line({
    disks: [disk('ahci'), disk('virtio'), disk('ahci'), disk('nvme'), disk('virtio-scsi')],
  });
  assert.equal(text.match(/ahci,id=sata/g)?.length, 1);
  assert.match(text, /ide-hd,bus=sata\.0,drive=disk0/);
  assert.match(text, /ide-hd,bus=sata\.1,drive=disk2/);
  assert.match(text, /nvme,drive=disk3,bootindex=203,serial=disk3/);
  assert.match(text, /scsi-hd,bus=scsi\.0,drive=disk4/);
});

test('an IDE disk takes the chipset that has IDE channels', () => {
  assert.match(line({ disks: [disk('ide'), disk('ide'), disk('ide')] }), /-machine pc .*bus=ide\.1,unit=0/);
});

test('sector sizes go to the buses that know them, and are refused on the others', () => {
  const text = line({ disks: [disk('nvme', { sectorSize: 4096 })] });
  assert.match(text, /logical_block_size=4096,physical_block_size=4096/);
  assert.throws(() => line({ disks: [disk('ahci', { sectorSize: 4096 })] }), { code: 'MACHINE_DESCRIPTION' });
});

test('a seventh AHCI disk is refused', () => {
  assert.throws(() => line({ disks: Array.from({ length: 7 }, () => disk('ahci')) }), /holds 6 at most/);
});

test('a USB stick is never written and comes after the CD', () => {
  const text = line({ cd: '/a.iso', usbStick: '/a.iso' });
  assert.match(text, /id=stick,snapshot=on/);
  assert.match(text, /drive=cd,bootindex=0 /);
  assert.match(text, /drive=stick,removable=on,bootindex=100/);
});

test('ports are forwarded from 127.0.0.1 alone, and the card does not try to boot', () => {
  const text = line({ nic: { model: 'e1000e', forwardedPorts: [7000] } });
  assert.match(text, /hostfwd=tcp:127\.0\.0\.1:40001-:7000/);
  assert.match(text, /e1000e,netdev=net,romfile=$/);
});

test('commas in paths do not begin a new option', () => {
  assert.match(line({ disks: [disk('virtio', { path: '/a,readonly=on' })] }), /file=\/a,,readonly=on,format/);
});

test('the environment has the last word', () => {
  const overrides = readOverrides({
    DISKFERRY_QEMU_MEMORY: '2048',
    DISKFERRY_QEMU_ACCEL: 'kvm',
    DISKFERRY_QEMU_ARGS: '-s  -S',
  });
  assert.match(line({ memoryMb: 256 }, { overrides }), /-accel kvm -cpu host -m 2048 .* -s -S$/);
});

test('a memory size that is no number is refused', () => {
  assert.throws(() => readOverrides({ DISKFERRY_QEMU_MEMORY: '2G' }), /DISKFERRY_QEMU_MEMORY is "2G"/);
});
