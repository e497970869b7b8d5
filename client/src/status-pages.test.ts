import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Inventory } from '@diskferry/protocol/inventory';
import { dialFailure, refusedBy } from './managed/dial-error.ts';
import { type StatusState, statusText } from './status.ts';
import type { MeasuredActivity } from './status-activity.ts';

/** One file a page, for people to look at; --test-update-snapshots writes them anew. */
const FOLDER = join(import.meta.dirname, 'test-support/status-pages');
const WIDTHS = [80, 40] as const;
const KEYS = ['N network', 'D start from disk', 'R restart', 'P power off'];

const INVENTORY: Inventory = {
  computer: { manufacturer: 'Dell Inc.', product: 'OptiPlex 7010', serial: 'ABC', firmware: 'uefi' },
  processors: { model: 'x', sockets: 1, cores: 2, threads: 4 },
  memoryBytes: 8_000_000_000,
  nics: [
    { name: 'eth0', mac: '52:54:00:12:34:56', linkUp: true, addresses: ['10.0.2.15'] },
    { name: 'eth1', mac: '52:54:00:12:34:57', linkUp: false, addresses: [] },
  ],
  disks: [
    {
      name: 'sda',
      size: 500_107_862_016,
      sectorSize: { logical: 512, physical: 4096 },
      model: 'ST500DM002-1BD14',
      serial: 'Z3TABCDE',
      transport: 'sata',
      removable: false,
      readOnly: false,
    },
  ],
};
const [UP, DOWN] = INVENTORY.nics;
const WITHOUT_ADDRESS = {
  ...INVENTORY,
  nics: [{ ...UP, addresses: [] }, DOWN] as Inventory['nics'],
};
const KEYED = {
  kind: 'keyed',
  code: '7KQ2-MD9X',
  fingerprint: '0123456789abcdef'.repeat(4),
  paired: [] as readonly string[],
} as const;
const SERVER = { host: '10.0.0.2', port: 7443 };
const STANDBY: StatusState = {
  version: '1.2.3',
  inventory: INVENTORY,
  port: 7000,
  controlPort: 7001,
  host: undefined,
  access: KEYED,
  grants: [],
  network: [{ adapter: 'eth0', word: 'bound', since: 12, words: '10.0.2.15/24' }],
  controllers: [],
  uptime: 100,
};

function noServer(error: Error): StatusState {
  const access = { kind: 'managed', server: '10.0.0.2:7443', isConnected: false } as const;
  return { ...STANDBY, access: { ...access, trouble: error.message, nextTryInSeconds: 3.4 } };
}

function failing(code: string): Error {
  return dialFailure(SERVER, Object.assign(new Error(code), { code }));
}

const STATES: Readonly<Record<string, StatusState>> = {
  standby: STANDBY,
  paired: { ...STANDBY, access: { ...KEYED, paired: ['10.0.0.2'] } },
  connected: { ...STANDBY, access: { kind: 'managed', server: '10.0.0.2:7443', isConnected: true } },
  insecure: { ...STANDBY, access: { kind: 'insecure', writable: false } },
  transferring: {
    ...STANDBY,
    access: { ...KEYED, paired: ['10.0.0.2'] },
    grants: [{ disk: 'sda', job: 'deploy-7', description: 'web.qcow2' }],
  },
  'waiting-for-address': {
    ...STANDBY,
    inventory: WITHOUT_ADDRESS,
    network: [{ adapter: 'eth0', word: 'asking', since: 98, words: '' }],
  },
  'no-dhcp-answer': {
    ...STANDBY,
    inventory: WITHOUT_ADDRESS,
    network: [{ adapter: 'eth0', word: 'no-answer', since: 65, words: '' }],
  },
  'settings-fail': {
    ...STANDBY,
    inventory: WITHOUT_ADDRESS,
    network: [{ adapter: 'eth0', word: 'failed', since: 65, words: 'the gateway 10.0.0.1 is not taken' }],
  },
  'left-out': {
    ...STANDBY,
    inventory: WITHOUT_ADDRESS,
    network: [{ adapter: 'eth0', word: 'off', since: 65, words: '' }],
  },
  'no-link': { ...STANDBY, inventory: { ...INVENTORY, nics: [DOWN] as Inventory['nics'] }, network: [] },
  'no-network-card': {
    ...STANDBY,
    inventory: { ...INVENTORY, nics: [] },
    network: [],
    controllers: [
      { kind: 'network', id: '8086:1572', driver: undefined },
      { kind: 'network', id: '10ec:8168', driver: 'r8169' },
    ],
  },
  'no-disk': {
    ...STANDBY,
    inventory: { ...INVENTORY, disks: [] },
    controllers: [{ kind: 'storage', id: '1000:0060', driver: undefined }],
  },
  'server-silent': noServer(failing('ETIMEDOUT')),
  'server-refuses': noServer(failing('ECONNREFUSED')),
  'server-of-other-authority': noServer(failing('DEPTH_ZERO_SELF_SIGNED_CERT')),
  'enrolment-refused': noServer(refusedBy(SERVER, 401)),
};

const TRANSFER: MeasuredActivity = {
  disk: 'sda',
  connections: 4,
  peers: ['10.0.0.2'],
  bytesRead: 1_000_000,
  bytesWritten: 120_000_000_000,
  errors: 0,
  bytesPerSecond: 95_300_000,
};

for (const [name, state] of Object.entries(STATES)) {
  test(`the page "${name}" is as it was found good, at 80 and at 40 columns`, (t) => {
    for (const width of WIDTHS) {
      // The last column stays free.
      const columns = width - 1;
      const activity = name === 'transferring' ? [TRANSFER] : [];
      const text = statusText(state, { columns, keys: KEYS, activity });
      assert.ok(
        text.split('\n').every((line) => line.length <= columns),
        text,
      );
      if (width === 80) assert.ok(text.trimEnd().split('\n').length <= 24, text);
      t.assert.fileSnapshot(text, join(FOLDER, `${name}-${width}.txt`), { serializers: [String] });
    }
  });
}

test('times that run on do not make a steady text another one', () => {
  const at = (uptime: number, isSteady: boolean): string =>
    statusText({ ...(STATES['no-dhcp-answer'] as StatusState), uptime }, { isSteady });
  assert.notEqual(at(100, false), at(101, false));
  assert.equal(at(100, true), at(101, true));
  const trying = (nextTryInSeconds: number | undefined, isSteady: boolean): string => {
    const access = {
      kind: 'managed',
      server: 'lab:7443',
      isConnected: false,
      trouble: 'lab is ill',
    } as const;
    return statusText({ ...STANDBY, access: { ...access, nextTryInSeconds } }, { isSteady });
  };
  assert.match(trying(undefined, false), /lab is ill; trying again now$/m);
  assert.match(trying(2.1, false), /lab is ill; next try in 3 s$/m);
  assert.equal(trying(2.1, true), trying(undefined, true));
});

test('of many disks and cards as many are shown as the screen has room for', () => {
  const disks = Array.from({ length: 40 }, (_, index) => ({ ...INVENTORY.disks[0], name: `sd${index}` }));
  const nics = Array.from({ length: 12 }, (_, index) => ({ ...UP, name: `eth${index}` }));
  const inventory = { ...INVENTORY, disks, nics } as Inventory;
  for (const rows of [19, 24, 40]) {
    const text = statusText({ ...STANDBY, inventory }, { rows, keys: KEYS });
    const lines = text.trimEnd().split('\n').length;
    assert.ok(lines <= rows && lines >= rows - 1, text);
    assert.match(text, /and \d+ more disks\n/);
  }
});
