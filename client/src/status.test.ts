import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DiskInfo, Inventory, NicInfo } from '@diskferry/protocol/inventory';
import { type StatusState, statusText } from './status.ts';

const DISK: DiskInfo = {
  name: 'sda',
  size: 500_107_862_016,
  sectorSize: { logical: 512, physical: 4096 },
  model: 'ST500DM002-1BD14',
  serial: 'Z3TABCDE',
  transport: 'sata',
  removable: false,
  readOnly: false,
};
const NIC: NicInfo = {
  name: 'eth0',
  mac: '52:54:00:12:34:56',
  linkUp: true,
  addresses: ['fe80::5054:ff:fe12:3456', '10.0.2.15'],
};

const FINGERPRINT = '0123456789abcdef'.repeat(4);

function state(inventory: Partial<Inventory> = {}, rest: Partial<StatusState> = {}): StatusState {
  return {
    version: '1.2.3',
    inventory: {
      computer: { manufacturer: 'Dell Inc.', product: 'OptiPlex 7010', serial: 'ABC', firmware: 'uefi' },
      processors: { model: 'x', sockets: 1, cores: 2, threads: 4 },
      memoryBytes: 8_000_000_000,
      nics: [NIC],
      disks: [DISK],
      ...inventory,
    },
    port: 7000,
    controlPort: 7001,
    host: undefined,
    access: { kind: 'keyed', code: '7KQ2-MD9X', fingerprint: FINGERPRINT, paired: [] },
    grants: [],
    network: [],
    controllers: [],
    uptime: 100,
    ...rest,
  };
}

test('the screen says what the computer is, what it has and what to type on the server', () => {
  assert.equal(
    statusText(state()),
    [
      'diskferry imaging client 1.2.3',
      'State: standby, not paired yet',
      'Computer: Dell Inc. OptiPlex 7010, serial ABC, 8.0 GB memory, UEFI',
      'Network:',
      '  eth0  52:54:00:12:34:56  link up  10.0.2.15',
      'Disks (read-only, unless a job below writes):',
      '  sda       500.1 GB  ST500DM002-1BD14, sata, serial Z3TABCDE',
      '',
      'Pairing code: 7KQ2-MD9X',
      `Fingerprint:  ${FINGERPRINT}`,
      'Paired with:  nobody yet',
      'On the server, type:',
      '  diskferry capture /dev/sda@10.0.2.15 sda.qcow2 --pair 7KQ2-MD9X',
      'waiting for the server',
      '',
    ].join('\n'),
  );
});

test('a managed computer shows its server, and in full what is wrong with it', () => {
  const trouble =
    'lab:7443 shows a certificate that the authority of this medium has not issued: it is another server, or the medium ' +
    'is not of this one; make one with "diskferry enrol" there';
  const access = { kind: 'managed', server: 'lab:7443', isConnected: false, trouble } as const;
  const text = statusText(state({}, { access: { ...access, nextTryInSeconds: 3.2 } }));
  const lines = text.split('\n');
  assert.ok(lines.includes('Server: lab:7443'));
  assert.ok(text.replaceAll(/\s+/g, ' ').includes(`${trouble}; next try in 4 s`));
  assert.match(text, /^State: error: no connection with the server$/m);
  assert.ok(lines.every((line) => line.length < 80));
  assert.doesNotMatch(text, /Pairing code|capture/);
});

test('a full screen fits 80 columns and 25 lines, and says what it left out', () => {
  const disks = Array.from({ length: 40 }, (_, index) => ({
    ...DISK,
    name: `sd${index}`,
    model: 'M'.repeat(100),
  }));
  const nics = Array.from({ length: 12 }, (_, index) => ({ ...NIC, name: `eth${index}` }));
  const grants = disks.map(({ name: disk }) => ({ disk, job: 'deploy-1', description: 'D'.repeat(200) }));
  const access = {
    kind: 'keyed',
    code: '7KQ2-MD9X',
    fingerprint: FINGERPRINT,
    paired: Array<string>(20).fill('10.0.0.2'),
    authority: 'CN=lab',
  } as const;
  const text = statusText(state({ disks, nics }, { grants, access }));
  const lines = text.split('\n');
  assert.ok(lines.length <= 25, `${lines.length} lines`);
  assert.ok(lines.every((line) => line.length < 80));
  assert.match(text, /and 35 more disks\n/);
  assert.match(text, /and 39 more jobs that write\n/);
  assert.match(text, /and 9 more network cards\n/);
  assert.match(text, /waiting for the server/);
});

test('a computer without an address waits and does not say what to type', () => {
  const nics = [
    { ...NIC, addresses: [] },
    { ...NIC, name: 'eth1', linkUp: false, addresses: [] },
    { ...NIC, name: 'eth2', addresses: ['fe80::1', '169.254.7.7'] },
  ];
  const text = statusText(state({ nics }));
  assert.match(text, /eth0 .* no address\n/);
  assert.match(text, /eth1 .* no link\n/);
  assert.match(text, /no network address yet; waiting for the server/);
  assert.doesNotMatch(text, /diskferry capture/);
});

test('what is missing is said', () => {
  const text = statusText(state({ disks: [], nics: [], computer: { firmware: 'bios' } }));
  assert.match(text, /Computer: unknown make, 8.0 GB memory, BIOS/);
  assert.match(text, /no network card was found/);
  assert.match(text, /no disk was found/);
});

test('a command is given as it has to be typed: with unusual ports, in IPv6, of a plain file, for plain text', () => {
  const typed = (...parameters: Parameters<typeof state>): string | undefined =>
    /capture ([^]*)\nwaiting/.exec(statusText(state(...parameters)))?.[1];
  const pair = '--pair 7KQ2-MD9X';
  assert.equal(typed({}, { port: 7005, controlPort: 7006 }), `/dev/sda@10.0.2.15:7005 sda.qcow2 ${pair}`);
  assert.equal(
    typed({}, { controlPort: 9999 }),
    `/dev/sda@10.0.2.15 sda.qcow2 \\\n  ${pair} \\\n  --control-port 9999`,
    'on several lines, as a shell takes it, rather than cut',
  );
  const nics = [{ ...NIC, addresses: ['2001:db8::1'] }];
  assert.equal(typed({ nics }), `/dev/sda@[2001:db8::1] sda.qcow2 ${pair}`);
  const disks = [{ ...DISK, name: 'disk.img', transport: 'file' as const }];
  assert.equal(
    typed({ disks }, { host: '127.0.0.1', access: { kind: 'insecure', writable: false } }),
    'nbd://127.0.0.1:7000/disk.img disk.img.qcow2 --insecure',
  );
});

test('the disk to capture is not the USB stick that stands first', () => {
  const disks = [
    { ...DISK, removable: true },
    { ...DISK, name: 'sdb' },
  ];
  assert.match(statusText(state({ disks })), /capture \/dev\/sdb@/);
});

test('who has paired and which job writes are shown', () => {
  const grants = [{ disk: 'sda', job: 'deploy-7', description: 'image web.qcow2 is written' }];
  const access = {
    kind: 'keyed',
    code: '7KQ2-MD9X',
    fingerprint: FINGERPRINT,
    paired: ['10.0.0.2', '10.0.0.3'],
    authority: 'CN=lab',
  } as const;
  const text = statusText(state({}, { grants, access }));
  assert.match(text, /job deploy-7 WRITES to sda: image web\.qcow2 is written\n/);
  assert.match(text, /Paired with: {2}certificates of CN=lab, 10\.0\.0\.2, 10\.0\.0\.3\n/);
});

test('plain text is said loudly, and who may write then', () => {
  const text = (writable: boolean) => statusText(state({}, { access: { kind: 'insecure', writable } }));
  assert.match(text(false), /INSECURE: no encryption, and whoever reaches this computer reads its disks\n/);
  assert.match(text(false), /Disks \(read-only\):/);
  assert.match(text(true), /Disks \(ANYBODY may write to them\):/);
  assert.doesNotMatch(text(false), /Pairing code|--pair/);
});

test('a managed computer shows its server and no command', () => {
  const access = { kind: 'managed', server: 'images.example:7443', isConnected: true } as const;
  const text = statusText(state({}, { access }));
  assert.match(text, /Server: images\.example:7443\n +connected\nwaiting for the server\n/);
  assert.doesNotMatch(text, /type|Pairing/);
});
