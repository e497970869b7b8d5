import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { test } from 'node:test';
import { run } from '@diskferry/system/run';
import { recogniseFileSystem } from '../file-systems/recognise.ts';
import { openWorkbench, type Workbench } from '../file-systems/test-devices.ts';
import { hasTarget } from './device-mapper.ts';
import { type LuksHeader, MOST_HEADER_BYTES, parseLuksHeader } from './luks-header.ts';
import { findKeySlot, formatVolume } from './luks-tools.ts';

// Opening takes dm-crypt, which this kernel may lack: see qemu-tests/src/debian-guest/volumes.qemu-test.ts.

const MIB = 1024 * 1024;
const PASSPHRASE = 'correct horse';
const UUID = '3e8bb2b5-8c3a-4a35-9c8e-0f6d1f5f7a11';
const CHEAP = ['--pbkdf-force-iterations', '4', '--pbkdf-memory', '64', '--pbkdf-parallel', '1'];

async function encrypt(bench: Workbench, ...words: readonly string[]): Promise<string> {
  const device = await bench.loop(bench.file('source', 32 * MIB));
  const format = ['luksFormat', '--batch-mode', '--uuid', UUID, ...words, '--key-file', '-', device];
  await run(['cryptsetup', ...format], { input: PASSPHRASE });
  return device;
}

async function headerBytes(device: string): Promise<Buffer> {
  const file = await open(device);
  const bytes = Buffer.alloc(MOST_HEADER_BYTES);
  await file.read(bytes, 0, bytes.length, 0);
  await file.close();
  return bytes;
}

const headerOf = async (device: string): Promise<LuksHeader> => parseLuksHeader(await headerBytes(device));

test('the header of LUKS2 is read, and one like it is made with another key', async (t) => {
  const bench = openWorkbench(t);
  const kind = ['--type', 'luks2', '--label', 'laptop disk', '--subsystem', 'test', '--sector-size', '4096'];
  const places = ['--luks2-metadata-size', '32k', '--luks2-keyslots-size', '2m', '--offset', '16384'];
  const device = await encrypt(bench, ...kind, ...places, '--pbkdf', 'argon2id', '--key-slot', '3', ...CHEAP);
  const header = await headerOf(device);
  assert.deepEqual(
    { ...header, keySlots: [...header.keySlots] },
    {
      version: 2,
      uuid: UUID,
      label: 'laptop disk',
      subsystem: 'test',
      cipher: 'aes-xts-plain64',
      keyBytes: 64,
      sectorBytes: 4096,
      dataOffset: 8 * MIB,
      hash: 'sha256',
      keySlots: [[3, { derivation: { kind: 'argon2id', iterations: 4, memoryKib: 64, threads: 1 } }]],
      areas: { metadataBytes: 32 * 1024, keySlotsBytes: 2 * MIB },
      flags: [],
      tokens: [],
      obstacle: undefined,
    },
  );
  assert.equal(await findKeySlot(device, { passphrase: PASSPHRASE }), 3);
  assert.equal(await findKeySlot(device, { passphrase: 'wrong' }), undefined);

  const destination = await bench.loop(bench.file('destination', 40 * MIB));
  await formatVolume(destination, { header, keySlot: 3, passphrase: PASSPHRASE }, bench);
  assert.deepEqual(await headerOf(destination), header);
  assert.equal(await findKeySlot(destination, { passphrase: PASSPHRASE }), 3);
});

test('the header of LUKS1 is read, and one like it is made', async (t) => {
  const bench = openWorkbench(t);
  const kind = [
    '--type',
    'luks1',
    '--cipher',
    'aes-cbc-essiv:sha256',
    '--key-size',
    '256',
    '--hash',
    'sha512',
  ];
  const device = await encrypt(bench, ...kind, '--pbkdf-force-iterations', '1234');
  const header = await headerOf(device);
  assert.equal(header.version, 1);
  assert.equal(header.uuid, UUID);
  assert.equal(header.cipher, 'aes-cbc-essiv:sha256');
  assert.deepEqual(
    [...header.keySlots],
    [[0, { derivation: { kind: 'pbkdf2', hash: 'sha512', iterations: 1234 } }]],
  );
  const destination = await bench.loop(bench.file('destination', 20 * MIB));
  await formatVolume(destination, { header, keySlot: 0, passphrase: PASSPHRASE }, bench);
  assert.deepEqual(await headerOf(destination), header);
  assert.equal(await findKeySlot(destination, { passphrase: PASSPHRASE }), 0);
});

test('what cannot be opened is copied as sectors, and what to do is said', async (t) => {
  const bench = openWorkbench(t);
  const device = await encrypt(bench, '--type', 'luks2', '--pbkdf', 'argon2id', ...CHEAP);
  const { session } = bench;
  const locked = await recogniseFileSystem(device, { session });
  assert.equal(locked.how, 'sectors');
  assert.match(locked.notes.join(), /encrypted \(LUKS2\).*with its passphrase \(--passphrase-file\)/);
  const wrong = await recogniseFileSystem(device, { session, passphrase: 'wrong' });
  assert.equal(wrong.how, 'sectors');
  assert.match(
    wrong.notes.join(),
    (await hasTarget('crypt')) ? /passphrase that was given does not open it/ : /no dm-crypt/,
  );
});

test('headers that are spoilt or of other kinds are damaged, or not to be made anew', async (t) => {
  const bench = openWorkbench(t);
  const bytes = await headerBytes(await encrypt(bench, '--type', 'luks2', '--pbkdf', 'argon2id', ...CHEAP));
  const spoil = (change: (copy: Buffer) => void): Buffer => {
    const copy = Buffer.from(bytes);
    change(copy);
    return copy;
  };
  const changeJson = (change: (json: { segments: Record<string, object>; config: object }) => void): Buffer =>
    spoil((copy) => {
      const text = copy.toString('utf8', 4096, copy.indexOf(0, 4096));
      const json = JSON.parse(text) as { segments: Record<string, object>; config: object };
      change(json);
      copy.fill(0, 4096, 16384);
      copy.write(JSON.stringify(json), 4096);
    });
  for (const spoilt of [
    spoil((copy) => copy.writeUInt16BE(3, 6)),
    spoil((copy) => copy.fill(0, 0, 6)),
    spoil((copy) => copy.writeBigUInt64BE(2n ** 40n, 8)),
    spoil((copy) => copy.write('{{', 4096)),
    bytes.subarray(0, 100),
  ]) {
    assert.throws(() => parseLuksHeader(spoilt), { code: 'DAMAGED' });
  }
  const obstacle = (change: Parameters<typeof changeJson>[0]): string | undefined =>
    parseLuksHeader(changeJson(change)).obstacle;
  assert.equal(
    obstacle(() => {}),
    undefined,
  );
  assert.match(
    obstacle(({ segments }) => Object.assign(segments['0'] ?? {}, { integrity: {} })) ?? '',
    /dm-integrity/,
  );
  assert.match(
    obstacle(({ config }) =>
      Object.assign(config, { requirements: { mandatory: ['online-reencrypt-v2'] } }),
    ) ?? '',
    /online-reencrypt/,
  );
  assert.match(
    obstacle(({ segments }) => Object.assign(segments, { 1: segments['0'] })) ?? '',
    /several parts/,
  );
  assert.match(
    obstacle(({ segments }) => Object.assign(segments['0'] ?? {}, { size: '4096' })) ?? '',
    /fixed size/,
  );
});
