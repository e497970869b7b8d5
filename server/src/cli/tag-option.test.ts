import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseInvocation } from './command.ts';
import { computersCommand } from './computers-command.ts';
import { imagesCommand } from './images-command.ts';
import { onlyTag } from './tag-option.ts';

test('a list is narrowed to one tag, and a second one is refused, not left out', () => {
  for (const command of [computersCommand, imagesCommand]) {
    const read = (...words: string[]): string | undefined =>
      onlyTag(parseInvocation(command, words, new AbortController().signal));
    assert.equal(read(), undefined);
    assert.equal(read('--tag', 'lab'), 'lab');
    assert.throws(() => read('--tag', 'lab', '--tag', 'old'), { code: 'USAGE' });
  }
});
