import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conditionsOf, positionOf, ruleCells } from './rule-words.ts';

test('conditions of a rule are read from words, and shown as they are written', () => {
  const words = ['manufacturer=Dell*', 'product=Opti=Plex 7010', 'subnet=192.0.2.0/24'];
  const conditions = conditionsOf(words);
  assert.deepEqual(conditions, {
    manufacturer: 'Dell*',
    product: 'Opti=Plex 7010',
    subnet: '192.0.2.0/24',
  });
  const rule = { id: 'R', position: 2, name: 'lab', namePattern: 'lab-{number}', conditions };
  assert.deepEqual(ruleCells({ ...rule, group: undefined, enabled: false }), [
    '2',
    'lab',
    words.join(' '),
    'lab-{number}',
    '',
    'no',
  ]);
});

test('a condition that there is not, is empty or comes twice is refused', () => {
  for (const word of ['serial=1', 'subnet', 'subnet=', '=x', 'toString=x']) {
    assert.throws(
      () => conditionsOf([word]),
      { code: 'USAGE', message: /with manufacturer, .*; not "/ },
      word,
    );
  }
  assert.throws(() => conditionsOf(['product=A', 'product=B']), { message: /product is given twice/ });
});

test('positions begin with 1', () => {
  assert.equal(positionOf('12', 'POSITION'), 12);
  for (const text of ['0', '-1', '1.5', 'first', '']) {
    assert.throws(() => positionOf(text, 'POSITION'), { code: 'USAGE' }, text);
  }
});
