import assert from 'node:assert/strict';
import test from 'node:test';
import { NameList } from './name-list.ts';

test('names come back in the order in which they came, while more are added', () => {
  const names = new NameList();
  const taken: string[] = [];
  const added: string[] = [];
  for (let number = 0; number < 2000; number++) {
    const name = `${'n'.repeat(number % 255)}${number}\0`;
    names.add(Buffer.from(name));
    added.push(name);
    if (number % 3 === 0) taken.push(names.shift()?.toString() ?? '');
  }
  for (let name = names.shift(); name !== undefined; name = names.shift()) taken.push(name.toString());
  assert.deepEqual(taken, added);
});
