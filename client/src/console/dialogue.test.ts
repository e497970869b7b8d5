import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NicInfo } from '@diskferry/protocol/inventory';
import type { GrantStatus } from '../status.ts';
import { Dialogue } from './dialogue.ts';
import { KeyDecoder } from './keys.ts';
import { confirmLeaving } from './leave-dialog.ts';
import { askNetworkSettings } from './network-dialog.ts';
import { type Conversation, AnswerError } from './question.ts';

/** Answers each question as it is asked; returns what was said and what came of it. */
async function converse<T>(
  answers: readonly string[],
  work: (conversation: Conversation) => Promise<T>,
): Promise<{ said: string[]; result: T | string }> {
  const said: string[] = [];
  const decoder = new KeyDecoder();
  const left = [...answers];
  const dialogue = new Dialogue({
    say: (text) => said.push(text),
    onPrompt: (isNew) => {
      if (!isNew) return;
      const answer = left.shift();
      assert.ok(answer !== undefined, `one answer more than expected: ${dialogue.prompt}`);
      queueMicrotask(() => {
        for (const key of decoder.push(Buffer.from(answer))) dialogue.press(key);
        for (const key of decoder.flush()) dialogue.press(key);
      });
    },
  });
  const result = await work(dialogue).catch((error: { code: string }) => error.code);
  assert.deepEqual(left, [], 'answers to questions that were not asked');
  return { said, result };
}

const NUMBER = {
  text: 'Number',
  suggestion: '7',
  read: (text: string) => {
    if (!/^\d+$/.test(text)) throw new AnswerError(`"${text}" is no number`);
    return Number(text);
  },
};

test('an answer is edited, and an empty one means what is suggested', async () => {
  const ask = (answer: string) => converse([answer], ({ ask }) => ask(NUMBER));
  assert.deepEqual(await ask('12\r'), { said: ['Number [7]: 12'], result: 12 });
  assert.deepEqual(await ask('13\x7f2\r'), { said: ['Number [7]: 12'], result: 12 });
  assert.deepEqual(await ask('xyz\x1512\r'), { said: ['Number [7]: 12'], result: 12 });
  assert.deepEqual((await ask('\r')).result, 7);
  assert.deepEqual((await ask(' 5 \r')).result, 5);
});

test('a wrong answer is told with its reason and asked again, but not for ever', async () => {
  const again = await converse(['x\r', '3\r'], ({ ask }) => ask(NUMBER));
  assert.deepEqual(again, { said: ['Number [7]: x', 'No: "x" is no number', 'Number [7]: 3'], result: 3 });
  const noise = await converse(Array<string>(8).fill('x\r'), ({ ask }) => ask(NUMBER));
  assert.equal(noise.result, 'CANCELLED');
});

test('Escape and Ctrl-C break a dialogue off, and so does nobody', async () => {
  for (const key of ['1\x1b', '1\x03']) {
    assert.equal((await converse([key], ({ ask }) => ask(NUMBER))).result, 'CANCELLED');
  }
  const dialogue = new Dialogue({ say: () => {}, onPrompt: () => {}, idleMs: 1 });
  // The timer of a dialogue does not keep the process.
  const stay = setInterval(() => {}, 1000);
  await assert.rejects(dialogue.ask(NUMBER), { code: 'CANCELLED' });
  clearInterval(stay);
  assert.equal(dialogue.prompt, undefined);
});

const NICS: readonly NicInfo[] = [
  { name: 'eth0', mac: '52:54:00:00:00:01', linkUp: false, addresses: [] },
  { name: 'eth1', mac: '52:54:00:00:00:02', linkUp: true, addresses: [] },
];

test('a static address is asked for with all that belongs to it', async () => {
  const { said, result } = await converse(
    ['\r', 's\r', '10.0.0.5\r', '10.0.0.5/24\r', '10.1.0.1\r', '10.0.0.1\r', '10.0.0.2,10.0.0.3\r', '5\r'],
    (conversation) => askNetworkSettings(conversation, NICS),
  );
  assert.deepEqual(result, {
    adapter: 'eth1',
    vlan: 5,
    method: 'static',
    address: { address: '10.0.0.5', prefix: 24 },
    gateway: '10.0.0.1',
    nameServers: ['10.0.0.2', '10.0.0.3'],
  });
  assert.deepEqual(
    said.filter((line) => line.startsWith('No:')),
    [
      'No: the length of the network is missing: write it such as 192.168.0.5/24',
      'No: 10.1.0.1 is outside of 10.0.0.5/24: nothing could reach it',
    ],
  );
  assert.ok(said.includes('Network card [eth1]: '), 'the card with a link is suggested');
});

test('back to DHCP takes two Enters where there is one card; without a card nothing is asked', async () => {
  const dhcp = await converse(['\r', '\r'], (conversation) =>
    askNetworkSettings(conversation, NICS.slice(0, 1)),
  );
  assert.deepEqual(dhcp.result, { adapter: 'eth0', vlan: undefined, method: 'dhcp' });
  const none = await converse([], (conversation) => askNetworkSettings(conversation, []));
  assert.deepEqual(none, { said: ['There is no network card that could be set up.'], result: undefined });
});

const GRANT: GrantStatus = { disk: 'sda', job: 'deploy-7', description: 'web.qcow2' };

test('leaving takes the whole word yes', async () => {
  const leave = (...answers: string[]) =>
    converse(answers, (conversation) => confirmLeaving(conversation, 'Power off', () => []));
  assert.equal((await leave('yes\r')).result, undefined);
  assert.equal((await leave('\r')).result, 'CANCELLED');
  assert.equal((await leave('no\r')).result, 'CANCELLED');
  assert.equal((await leave('y\r', 'YES\r')).result, undefined);
});

test('leaving is asked twice while a job writes, also one that began meanwhile', async () => {
  let grants: readonly GrantStatus[] = [];
  const leave = (...answers: string[]) =>
    converse(answers, (conversation) =>
      confirmLeaving(conversation, 'Restart', () => {
        grants = [GRANT];
        return grants;
      }),
    );
  const left = await leave('yes\r', 'yes\r', 'sda\r');
  assert.equal(left.result, undefined);
  assert.match(left.said.join('\n'), /Job deploy-7 WRITES to sda\. If it is broken off here/);
  assert.equal((await leave('yes\r', '\r')).result, 'CANCELLED');
});
