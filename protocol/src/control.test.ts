import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type ClientMessage,
  type ControlError,
  type ControlErrorCode,
  errorMessage,
  helloMessage,
  MAX_CONTROL_MESSAGE_BYTES,
  MAX_SERVER_MESSAGE_BYTES,
  parseClientMessage,
  parseServerMessage,
  type ServerMessage,
  serialiseControlMessage,
} from './control.ts';
import type { Inventory } from './inventory.ts';

const INVENTORY: Inventory = {
  computer: {
    manufacturer: 'Dell Inc.',
    product: 'PowerEdge R620',
    serial: '7X',
    boardSerial: '.7X.CN7',
    firmware: 'uefi',
  },
  processors: { model: 'Intel(R) Xeon(R) CPU E5-2650', sockets: 2, cores: 16, threads: 32 },
  memoryBytes: 64 * 2 ** 30,
  nics: [
    {
      name: 'eth0',
      mac: '52:54:00:12:34:56',
      driver: 'e1000',
      bus: 'pci',
      removable: false,
      linkUp: true,
      speedMbps: 1000,
      addresses: ['10.0.2.15', 'fe80::1'],
    },
    { name: 'eth1', mac: '52:54:00:12:34:57', linkUp: false, addresses: [] },
  ],
  disks: [
    {
      name: 'sda',
      size: 8 * 2 ** 30,
      sectorSize: { logical: 512, physical: 4096 },
      model: 'QEMU HARDDISK',
      transport: 'sata',
      removable: false,
      readOnly: false,
      rotational: true,
    },
  ],
  devices: [
    { bus: 'pci', id: '8086:1237', class: '0600' },
    { bus: 'pci', id: '8086:7010', subsystem: '1af4:1100', class: '0101', driver: 'ata_piix' },
  ],
};

/** A copy of an inventory that a test may spoil in any way. */
// oxlint-disable-next-line typescript/no-explicit-any
type Json = Record<string, any>;

function throwsControl(action: () => unknown, code: ControlErrorCode, words: RegExp, id?: number): void {
  assert.throws(action, (error: ControlError) => {
    assert.equal(error.code, code);
    assert.match(error.message, words);
    assert.equal(error.id, id);
    return true;
  });
}

describe('control messages', () => {
  const fromClient: ClientMessage[] = [
    helloMessage('0.1.0'),
    { type: 'inventory', id: 1, inventory: INVENTORY },
    { type: 'pair-share', id: 2, share: '00ff' },
    { type: 'paired', id: 2, proof: 'ff00' },
    { type: 'granted', id: 3, exportName: 'sda;grant=x' },
    { type: 'grant-ended', id: 4 },
    { type: 'channel-opened', id: 5 },
    { type: 'error', id: 1, code: 'X', message: 'a sentence' },
    { type: 'error', code: 'X', message: 'a sentence' },
  ];
  for (const message of fromClient) {
    test(`the client's ${message.type} arrives as it was sent, as text and as bytes`, () => {
      const text = serialiseControlMessage(message);
      assert.deepEqual(parseClientMessage(text), message);
      assert.deepEqual(parseClientMessage(Buffer.from(text)), message);
    });
  }

  const fromServer: ServerMessage[] = [
    { type: 'get-inventory', id: 7 },
    { type: 'pair', id: 2, share: '00ff' },
    { type: 'prove', id: 2, proof: 'ff00' },
    { type: 'grant-write', id: 3, disk: 'sda', job: 'deploy-7', description: 'deploy of web.qcow2' },
    { type: 'end-grant', id: 4, disk: 'sda' },
    { type: 'open-channel', id: 5, channel: 'c1' },
    { type: 'open-channel', id: 5, channel: 'c1', disk: 'sda' },
    { type: 'error', code: 'X', message: 'a sentence' },
  ];
  for (const message of fromServer) {
    test(`the server's ${message.type} arrives as it was sent`, () => {
      assert.deepEqual(parseServerMessage(serialiseControlMessage(message)), message);
    });
  }

  for (const [parse, text, words] of [
    [parseServerMessage, '{"type":"pair","id":1}', /pair\.share is not a text but absent/],
    [parseServerMessage, '{"type":"pair","share":"00"}', /pair\.id is not a whole number/],
    [parseServerMessage, '{"type":"prove","id":1,"proof":7}', /prove\.proof is not a text but 7/],
    [parseServerMessage, '{"type":"grant-write","id":1,"disk":"sda","job":"j"}', /description/],
    [parseServerMessage, '{"type":"end-grant","id":1}', /end-grant\.disk/],
    [parseServerMessage, '{"type":"open-channel","id":1,"channel":1}', /open-channel\.channel/],
    [parseClientMessage, '{"type":"granted","id":1}', /granted\.exportName/],
    [parseClientMessage, '{"type":"paired","id":1}', /paired\.proof/],
  ] as const) {
    test(`${text} is refused by the name of its field`, () => {
      assert.throws(() => parse(text), { code: 'CONTROL_INVALID', message: words });
    });
  }

  test('the bytes on the wire are those of the documentation', () => {
    assert.equal(
      serialiseControlMessage(helloMessage('0.1.0')),
      '{"type":"hello","protocol":1,"product":"diskferry","version":"0.1.0"}',
    );
    assert.equal(
      serialiseControlMessage({ type: 'get-inventory', id: 1 }),
      '{"type":"get-inventory","id":1}',
    );
  });

  test('fields that are not known are dropped, and null counts as absent', () => {
    const text = '{"type":"error","id":null,"code":"X","message":"y","more":1,"__proto__":{"polluted":true}}';
    assert.deepEqual(parseClientMessage(text), { type: 'error', code: 'X', message: 'y' });
  });

  test('a message that is too large is refused before it is parsed', () => {
    const text = `"${'x'.repeat(MAX_CONTROL_MESSAGE_BYTES)}"`;
    throwsControl(() => parseClientMessage(text), 'CONTROL_TOO_LARGE', /at most 1048576/);
    const fromServer = Buffer.alloc(MAX_SERVER_MESSAGE_BYTES + 1, ' ');
    throwsControl(() => parseServerMessage(fromServer), 'CONTROL_TOO_LARGE', /at most 16384/);
  });

  for (const [text, words] of [
    ['', /not JSON/],
    ['{', /not JSON/],
    ['[]', /not an object but \[\]/],
    ['null', /not an object but null/],
    ['{}', /type is not a text but absent/],
    ['{"type":1}', /type is not a text but 1/],
  ] as const) {
    test(`"${text}" is refused with a sentence`, () => {
      throwsControl(() => parseClientMessage(text), 'CONTROL_INVALID', words);
    });
  }

  test('bytes that are not UTF-8 are refused', () => {
    throwsControl(() => parseClientMessage(Buffer.from([0x22, 0xff, 0x22])), 'CONTROL_INVALID', /UTF-8/);
  });

  test('a type that is not known can be answered, because its id is kept', () => {
    const parse = (): unknown => parseServerMessage('{"type":"format-disk","id":5}');
    throwsControl(
      parse,
      'CONTROL_UNKNOWN_TYPE',
      /"format-disk" is not known; known are get-inventory, pair, /,
      5,
    );
    throwsControl(() => parseServerMessage('{"type":"constructor"}'), 'CONTROL_UNKNOWN_TYPE', /constructor/);
    throwsControl(() => parseServerMessage('{"type":"hello","id":5}'), 'CONTROL_UNKNOWN_TYPE', /hello/, 5);
  });

  test('the answer to a wrong message carries its code and id', () => {
    try {
      parseServerMessage('{"type":"format-disk","id":5}');
      assert.fail();
    } catch (error) {
      const { type, id, code } = errorMessage(error as ControlError);
      assert.deepEqual({ type, id, code }, { type: 'error', id: 5, code: 'CONTROL_UNKNOWN_TYPE' });
    }
  });

  test('a stranger and another version are refused with advice', () => {
    const hello = (fields: object): string => JSON.stringify({ ...helloMessage('0.1.0'), ...fields });
    throwsControl(
      () => parseClientMessage(hello({ product: 'x' })),
      'CONTROL_INCOMPATIBLE',
      /check host and port/,
    );
    throwsControl(
      () => parseClientMessage(hello({ protocol: 2 })),
      'CONTROL_INCOMPATIBLE',
      /media of the server's version/,
    );
  });

  test('the inventory of a client that knows no devices, buses and board serials is understood', () => {
    const { devices, ...older } = structuredClone(INVENTORY) as Json;
    assert.ok(devices);
    delete older['computer'].boardSerial;
    delete older['nics'][0].bus;
    delete older['nics'][0].removable;
    const message = { type: 'inventory', id: 1, inventory: older };
    assert.deepEqual(parseClientMessage(JSON.stringify(message)), message);
  });

  test('a bus that is not known yet does not make an inventory wrong', () => {
    const inventory = { ...INVENTORY, devices: [{ bus: 'cxl', id: 'mem0' }] };
    const message = { type: 'inventory', id: 1, inventory };
    assert.deepEqual(parseClientMessage(JSON.stringify(message)), message);
  });

  const wrongInventories: [path: string, change: (inventory: Json) => void][] = [
    ['inventory.inventory.memoryBytes', (inventory) => (inventory['memoryBytes'] = -1)],
    ['inventory.inventory.memoryBytes', (inventory) => (inventory['memoryBytes'] = 1.5)],
    ['inventory.inventory.computer.firmware', (inventory) => (inventory['computer'].firmware = 'coreboot')],
    ['inventory.inventory.processors', (inventory) => delete inventory['processors']],
    ['inventory.inventory.nics[1].addresses', (inventory) => (inventory['nics'][1].addresses = 'x')],
    ['inventory.inventory.disks[0].size', (inventory) => (inventory['disks'][0].size = '8')],
    [
      'inventory.inventory.disks[0].sectorSize.logical',
      (inventory) => (inventory['disks'][0].sectorSize = {}),
    ],
    [
      'inventory.inventory.disks[0].transport',
      (inventory) => (inventory['disks'][0].transport = 'carrier pigeon'),
    ],
    ['inventory.inventory.disks[0].rotational', (inventory) => (inventory['disks'][0].rotational = 1)],
    ['inventory.inventory.devices[1].id', (inventory) => delete inventory['devices'][1].id],
  ];
  for (const [path, change] of wrongInventories) {
    test(`an inventory with a wrong ${path} is refused by that name`, () => {
      const inventory = structuredClone(INVENTORY) as Json;
      change(inventory);
      const words = new RegExp(path.replaceAll(/[[\]]/g, '\\$&'));
      throwsControl(
        () => parseClientMessage(JSON.stringify({ type: 'inventory', id: 3, inventory })),
        'CONTROL_INVALID',
        words,
        3,
      );
    });
  }
});
