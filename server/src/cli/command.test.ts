import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type CliCommand,
  choiceOption,
  JSON_OPTION,
  parseInvocation,
  secondsOption,
  TIMEOUT_OPTION,
} from './command.ts';
import { runCli } from '../testing/cli-process.ts';
import { commandHelp, programHelp } from './help.ts';

const command: CliCommand = {
  name: 'capture',
  operands: ['ADDRESS', 'IMAGE'],
  summary: 'capture a disk',
  options: [JSON_OPTION, TIMEOUT_OPTION, { name: 'driver', value: 'NAME', help: 'a driver' }],
  run: async () => 0,
};
const { signal } = new AbortController();
const parse = (...words: string[]) => parseInvocation(command, words, signal);

test('operands, flags and values are told apart', () => {
  const { positionals, flags, values } = parse('a', '--json', 'b', '--timeout', '3');
  assert.deepEqual(positionals, ['a', 'b']);
  assert.deepEqual([...flags], ['json']);
  assert.deepEqual([...values], [['timeout', '3']]);
});

test('an option that may come several times keeps all its values', () => {
  const repeated = { ...command, options: [{ name: 'mode', value: 'MODE', multiple: true, help: 'a mode' }] };
  const { lists } = parseInvocation(repeated, ['a', 'b', '--mode', 'files', '--mode', '2=blocks'], signal);
  assert.deepEqual([...lists], [['mode', ['files', '2=blocks']]]);
});

test('missing and surplus operands are refused with the usage line', () => {
  assert.throws(() => parse('a'), {
    code: 'USAGE',
    message: /takes ADDRESS and IMAGE, not 1 words; usage: diskferry capture/,
  });
  assert.throws(() => parse('a', 'b', 'c'), { code: 'USAGE' });
});

test('an operand in square brackets may be missing', () => {
  const optional = { ...command, operands: ['ADDRESS', '[IMAGE]'] };
  const count = (...words: string[]) => parseInvocation(optional, words, signal).positionals.length;
  assert.equal(count('a'), 1);
  assert.equal(count('a', 'b'), 2);
  assert.throws(() => count(), { code: 'USAGE' });
  assert.throws(() => count('a', 'b', 'c'), { code: 'USAGE' });
});

test('an unknown option is refused and the help is named', () => {
  assert.throws(() => parse('a', 'b', '--jsno'), {
    code: 'USAGE',
    message: /'--jsno'.*see diskferry capture --help/,
  });
});

test('seconds become milliseconds; what is no number of seconds is refused', () => {
  assert.equal(secondsOption(parse('a', 'b', '--timeout', '1.5'), 'timeout'), 1500);
  assert.equal(secondsOption(parse('a', 'b'), 'timeout'), undefined);
  for (const text of ['0', 'soon', '']) {
    assert.throws(() => secondsOption(parse('a', 'b', `--timeout=${text}`), 'timeout'), { code: 'USAGE' });
  }
});

test('a choice is one of its words', () => {
  assert.equal(choiceOption(parse('a', 'b', '--driver', 'fuse'), 'driver', ['auto', 'fuse']), 'fuse');
  assert.throws(() => choiceOption(parse('a', 'b', '--driver', 'x'), 'driver', ['auto', 'fuse']), {
    message: '--driver takes auto, fuse, not "x"',
  });
});

test('the help names every command, operand and option', () => {
  assert.match(programHelp([command]), /capture ADDRESS IMAGE {2}capture a disk/);
  const help = commandHelp(command);
  for (const word of ['--json', '--timeout SECONDS', '--driver NAME', '--help', 'ADDRESS IMAGE']) {
    assert.ok(help.includes(word), word);
  }
});

test('"help COMMAND" is the help of that command, "help" alone that of all', async () => {
  const { stdout } = await runCli(['help', 'jobs']);
  assert.equal(stdout, (await runCli(['jobs', '--help'])).stdout);
  assert.match(stdout, /^Usage: diskferry jobs /);
  assert.match((await runCli(['help'])).stdout, /^Usage: diskferry COMMAND /m);
  assert.equal((await runCli(['help', 'job'])).exitCode, 2);
});
