import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TerminalText } from './terminal-text.ts';

const SENT = Buffer.from('\u001b[2J\u001b[01;01HBooting\r\n\u001b[0m\u001bcf\u00e4hre login: \u001b[?25h');
const MEANT = '\nBooting\nf\u00e4hre login: ';

test('escape sequences and carriage returns are left out', () => {
  assert.equal(new TerminalText().push(SENT), MEANT);
});

test('the text is the same wherever the stream is cut', () => {
  for (let cut = 0; cut <= SENT.length; cut++) {
    const terminal = new TerminalText();
    assert.equal(terminal.push(SENT.subarray(0, cut)) + terminal.push(SENT.subarray(cut)), MEANT);
  }
});

test('an unfinished sequence at the end is held back', () => {
  assert.equal(new TerminalText().push(Buffer.from('a\u001b[1')), 'a');
});
