import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Gate } from './boot-decision.ts';
import { dhcpHosts, type DnsmasqSettings, dnsmasqSettings } from './dnsmasq-settings.ts';
import { LOADERS } from './loaders.ts';

const gate: Gate = {
  unknown: false,
  macs: new Map([
    ['52:54:00:00:00:01', true],
    ['52:54:00:00:00:02', false],
  ]),
  uuids: new Map([['11111111-2222-3333-4444-555555555555', true]]),
  signed: new Set(),
  local: new Set(),
};
const settings: DnsmasqSettings = {
  wire: {
    name: 'eth0',
    address: '10.77.0.3',
    netmask: '255.255.255.0',
    network: '10.77.0.0',
    contains: () => true,
  },
  dhcp: undefined,
  loaders: LOADERS,
  tftpFolder: '/run/loaders',
  hostsFile: '/run/hosts',
  leasesFile: '/run/leases',
  httpUrl: 'http://10.77.0.3:7480',
  gate,
};
const linesOf = (changed: Partial<DnsmasqSettings> = {}): string[] =>
  dnsmasqSettings({ ...settings, ...changed }).split('\n');

test('no names are served, and no other interface', () => {
  const lines = linesOf();
  for (const line of ['port=0', 'interface=eth0', 'except-interface=lo', 'bind-dynamic']) {
    assert.ok(lines.includes(line), line);
  }
});

test('beside another server no address is handed out, and only who shall be answered is', () => {
  const lines = linesOf();
  assert.ok(lines.includes('dhcp-range=10.77.0.0,proxy,255.255.255.0'));
  assert.ok(lines.includes('dhcp-ignore=tag:!answer'));
  assert.ok(!lines.some((line) => line.startsWith('dhcp-option')));
});

test('machines that nobody named are answered only if they shall be', () => {
  const open = 'tag-if=set:answer,tag:!mac-ignored,tag:!uuid-ignored,tag:supported,tag:!passed';
  assert.ok(!linesOf().includes(open));
  assert.ok(linesOf({ gate: { ...gate, unknown: true } }).includes(open));
});

test('addresses that we hand out ourselves are for everybody', () => {
  const lines = linesOf({ dhcp: { from: '10.77.0.100', to: '10.77.0.120', gateway: '10.77.0.1' } });
  assert.ok(lines.includes('dhcp-range=10.77.0.100,10.77.0.120,255.255.255.0,1h'));
  assert.ok(lines.includes('dhcp-option=option:router,10.77.0.1'));
  assert.ok(!lines.some((line) => line.startsWith('dhcp-ignore')));
});

test('machines with Secure Boot get the signed loader, by card, by UUID, or all of them', () => {
  const signed = {
    name: 'uefi-signed',
    signed: true,
    architectures: [7],
    by: 'tftp',
    path: '/x/shimx64.efi',
  } as const;
  const loaders = [...LOADERS, signed];
  const uuid = '11111111-2222-3333-4444-555555555555';
  const some: Gate = { ...gate, signed: new Set(['52:54:00:00:00:01', uuid]) };
  assert.equal(
    dhcpHosts(some),
    '52:54:00:00:00:01,set:mac-served,set:signed\n52:54:00:00:00:02,set:mac-ignored\n',
  );
  const lines = linesOf({ loaders, gate: some });
  assert.ok(
    lines.includes('dhcp-match=set:signed,97,00:11:11:11:11:22:22:33:33:44:44:55:55:55:55:55:55'),
    'the UUID',
  );
  assert.ok(
    lines.includes('dhcp-boot=tag:answer,tag:!ipxe,tag:signed,tag:uefi-signed,shimx64.efi,,10.77.0.3'),
  );
  assert.ok(lines.includes('dhcp-boot=tag:answer,tag:!ipxe,tag:!signed,tag:uefi,snponly.efi,,10.77.0.3'));
  assert.ok(lines.includes('dhcp-boot=tag:answer,tag:!ipxe,tag:bios,undionly.kpxe,,10.77.0.3'));
  assert.equal(dhcpHosts({ ...gate, signed: 'all' }), dhcpHosts(gate));
  const all = linesOf({ loaders, gate: { ...gate, signed: 'all' } });
  assert.ok(all.includes('dhcp-match=set:signed,option:client-arch,7'));
  assert.ok(!all.includes('dhcp-match=set:signed,option:client-arch,0'));
});

test('a line for each card, and a tag for each UUID', () => {
  assert.equal(dhcpHosts(gate), '52:54:00:00:00:01,set:mac-served\n52:54:00:00:00:02,set:mac-ignored\n');
  const bytes = '11:11:11:11:22:22:33:33:44:44:55:55:55:55:55:55';
  assert.ok(linesOf().includes(`dhcp-match=set:uuid-served,97,00:${bytes}`));
});
