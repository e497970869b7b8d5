import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clearUnusedIcuData } from './lean-client.ts';

const HEADER_BYTES = 32;

/** A package as ICU has it, between other bytes. */
function icuPackage(items: Readonly<Record<string, string>>): Buffer {
  const names = Object.keys(items);
  const texts = Object.values(items);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16LE(HEADER_BYTES, 0);
  header.set([0xda, 0x27], 2);
  header.write('CmnD', 12);
  const table = Buffer.alloc(4 + names.length * 8);
  table.writeUInt32LE(names.length, 0);
  const nameBytes = Buffer.from(names.map((name) => `${name}\0`).join(''));
  let [nameAt, dataAt] = [table.length, table.length + nameBytes.length];
  for (const [index, name] of names.entries()) {
    table.writeUInt32LE(nameAt, 4 + index * 8);
    table.writeUInt32LE(dataAt, 8 + index * 8);
    nameAt += name.length + 1;
    dataAt += texts[index]?.length ?? 0;
  }
  const data = Buffer.from(texts.join(''));
  return Buffer.concat([Buffer.from('before CmnD'), header, table, nameBytes, data, Buffer.from('behind')]);
}

test('other languages and character sets are cleared; English, shared rules and all lengths stay', () => {
  const bytes = icuPackage({
    'icudt78l/af.res': 'AFRIKAANS',
    'icudt78l/big5.cnv': 'CHARSET',
    'icudt78l/coll/de.res': 'SORTING-DE',
    'icudt78l/coll/root.res': 'SORTING-ROOT',
    'icudt78l/curr/pool.res': 'POOL',
    'icudt78l/en.res': 'ENGLISH',
    'icudt78l/sr_Latn_RS.res': 'SERBIAN',
    'icudt78l/supplementalData.res': 'RULES',
    'icudt78l/uprops.icu': 'PROPERTIES',
    'icudt78l/zu.res': 'LAST',
  });
  const length = bytes.length;
  assert.equal(clearUnusedIcuData(bytes), 'AFRIKAANSCHARSETSORTING-DESERBIAN'.length);
  assert.equal(bytes.length, length);
  const text = bytes.toString('latin1');
  for (const gone of ['AFRIKAANS', 'CHARSET', 'SORTING-DE', 'SERBIAN']) assert.ok(!text.includes(gone), gone);
  for (const kept of ['SORTING-ROOT', 'POOL', 'ENGLISH', 'RULES', 'PROPERTIES', 'LAST', 'behind']) {
    assert.ok(text.includes(kept), kept);
  }
});

test('a program without data of ICU stays as it is', () => {
  const bytes = Buffer.from('ELF with the word CmnD and nothing else');
  const before = Buffer.from(bytes);
  assert.equal(clearUnusedIcuData(bytes), 0);
  assert.deepEqual(bytes, before);
});

test('a table in another form is an error, not a damaged client', () => {
  const bytes = icuPackage({ 'a/af.res': 'AFRIKAANS', 'a/zu.res': 'LAST' });
  bytes.writeUInt32LE(99, 'before CmnD'.length + HEADER_BYTES);
  assert.throws(() => clearUnusedIcuData(bytes), { code: 'ICU_DATA' });
});
