import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseInvocation } from './command.ts';
import { jobsCommand } from './jobs-command.ts';
import { priorityOption, specOf } from './job-spec.ts';

test('words of a job are JSON where they can be, and texts otherwise', () => {
  assert.deepEqual(specOf(['computer=web1', 'verify=true', 'sizeBytes=1000', 'notes=a=b', 'tags=["a"]']), {
    computer: 'web1',
    verify: true,
    sizeBytes: 1000,
    notes: 'a=b',
    tags: ['a'],
  });
  for (const text of ['web1', '=web1', '2=web1']) {
    assert.throws(() => specOf([text]), { code: 'USAGE', message: /written NAME=VALUE, not / }, text);
  }
});

test('a priority is a whole number', () => {
  const { signal } = new AbortController();
  const read = (...words: string[]): number | undefined =>
    priorityOption(parseInvocation(jobsCommand, words, signal));
  assert.equal(read(), undefined);
  assert.equal(read('--priority', '7'), 7);
  assert.equal(read('--priority=-7'), -7);
  assert.throws(() => read('--priority', 'high'), { code: 'USAGE' });
});
