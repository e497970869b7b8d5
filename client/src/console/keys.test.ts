import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { type Key, KeyDecoder } from './keys.ts';

/** Keys in short: the character itself, or the kind in angle brackets. */
function decode(...pieces: string[]): string {
  const decoder = new KeyDecoder();
  const keys = pieces.flatMap((piece) => decoder.push(Buffer.from(piece, 'latin1')));
  return [...keys, ...decoder.flush()].map(inShort).join('');
}

function inShort(key: Key): string {
  return key.kind === 'character' ? key.character : `<${key.kind}>`;
}

test('characters and the keys that edit a line are told apart', () => {
  assert.equal(decode('aZ ~'), 'aZ ~');
  assert.equal(decode('\r'), '<enter>');
  assert.equal(decode('\n'), '<enter>');
  assert.equal(decode('\x7f\b\x15\x03'), '<backspace><backspace><clear><cancel>');
});

test('a line that ends with both return and line feed ends once', () => {
  assert.equal(decode('\r\n'), '<enter>');
  assert.equal(decode('\r', '\n'), '<enter>');
  assert.equal(decode('\r\r\n\n'), '<enter><enter><enter>');
});

test('arrow and function keys mean nothing, wherever their bytes are cut', () => {
  for (const sequence of ['\x1b[A', '\x1b[[A', '\x1b[15~', '\x1bOP', '\x1b[1;5C', '\x1bx']) {
    assert.equal(decode(`${sequence}n`), 'n', JSON.stringify(sequence));
    assert.equal(decode(...sequence.split(''), 'n'), 'n', JSON.stringify(sequence));
  }
});

test('an escape that nothing follows breaks off', () => {
  const decoder = new KeyDecoder();
  assert.deepEqual(decoder.push(Buffer.from('\x1b')), []);
  assert.equal(decoder.isPending, true);
  assert.deepEqual(decoder.flush(), [{ kind: 'cancel' }]);
  assert.deepEqual(decoder.push(Buffer.from('n')), [{ kind: 'character', character: 'n' }]);
});

test('whatever noise comes, keys are the same however it is cut, and no character is a control character', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(60), (bytes, place) => {
      const text = Buffer.from(bytes).toString('latin1');
      const keys = decode(text);
      assert.equal(decode(text.slice(0, place), text.slice(place)), keys);
      assert.match(keys, /^[ -~]*$/);
    }),
  );
});
