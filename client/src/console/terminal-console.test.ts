import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Picture } from '../screen.ts';
import { CancelledError } from './question.ts';
import { styleOf, type Terminal } from './terminal.ts';
import { type Action, TerminalConsole } from './terminal-console.ts';

const PICTURE: Picture = {
  state: {
    version: '1.2.3',
    inventory: {
      computer: { firmware: 'bios' },
      processors: { model: 'x', sockets: 1, cores: 1, threads: 1 },
      memoryBytes: 1,
      nics: [{ name: 'eth0', mac: '52:54:00:00:00:01', linkUp: true, addresses: ['10.0.2.15'] }],
      disks: [],
    },
    port: 7000,
    controlPort: 7001,
    host: undefined,
    access: { kind: 'insecure', writable: false },
    grants: [],
    network: [],
    controllers: [],
    uptime: 1,
  },
  activity: [],
};

/** A console on a terminal that a test reads and types on. */
function startConsole(context: TestContext, style: Terminal['style'], actions: readonly Action[]) {
  const written: string[] = [];
  const lent: string[] = [];
  let type: (bytes: Uint8Array) => void = () => {};
  const console = new TerminalConsole((onInput) => {
    type = onInput;
    return {
      path: '/dev/test',
      style,
      size: { columns: 60, rows: 24 },
      write: (text) => written.push(text),
      lend: async (borrower) => {
        lent.push('begin');
        await borrower();
        lent.push('end');
      },
      close: () => lent.push('closed'),
    };
  }, actions);
  context.after(() => console.close());
  console.show(PICTURE);
  return {
    console,
    lent,
    takeWritten: () => written.splice(0).join(''),
    type: async (text: string) => {
      for (const byte of Buffer.from(text)) {
        type(Uint8Array.of(byte));
        // What a key begins goes on in later microtasks.
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
}

function greeting(onName: (name: string) => void = () => {}): Action {
  return {
    key: 'g',
    label: 'greet',
    run: async ({ ask, say }) => {
      const name = await ask({ text: 'Name', read: (text) => text });
      onName(name);
      say(`Hello ${name}`);
    },
  };
}

test('a log shows question and answer as they are typed, without steering the terminal', async (context) => {
  const { takeWritten, type } = startConsole(context, 'log', [greeting()]);
  assert.match(takeWritten(), /^waiting for the server\nKeys: G greet\n$/m);
  await type('gAnx\x7fn\r');
  const text = takeWritten();
  assert.equal(text, 'Name: Anx\b \bn\nHello Ann\n');
  assert.ok(!text.includes('\x1b'));
});

test('a log prints a change though a question stands there, and the question again', async (context) => {
  const { console, takeWritten, type } = startConsole(context, 'log', [greeting()]);
  await type('gA');
  takeWritten();
  console.show(PICTURE);
  assert.equal(takeWritten(), '', 'nothing has changed');
  const state = { ...PICTURE.state, version: '9.9.9' };
  console.show({ ...PICTURE, state });
  assert.match(takeWritten(), /^\ndiskferry imaging client 9\.9\.9\n[^]*\nName: A$/);
  await type('nn\r');
  assert.equal(takeWritten(), 'nn\nHello Ann\n');
});

test('Enter prints the status again, other keys do nothing', async (context) => {
  const { takeWritten, type } = startConsole(context, 'log', [greeting()]);
  const status = takeWritten();
  await type('xyz\x1b[A');
  assert.equal(takeWritten(), '');
  await type('\r\n');
  assert.equal(takeWritten(), status);
});

test('a page is drawn over the one before, with the question at its end', async (context) => {
  const { takeWritten, type } = startConsole(context, 'page', [greeting()]);
  const page = takeWritten();
  assert.ok(page.startsWith('\x1b[?25l\x1b[Hdiskferry imaging client'));
  assert.ok(page.endsWith('\x1b[J'), 'the cursor is hidden');
  await type('gA');
  assert.ok(takeWritten().endsWith('Name: A\x1b[K\x1b[J\x1b[?25h'));
  await type('nn\r');
  const drawn = takeWritten().split('\x1b[H').at(-1) ?? '';
  assert.ok(drawn.endsWith('Name: Ann\x1b[K\r\nHello Ann\x1b[K\x1b[J'));
  assert.ok(drawn.split('\r\n').length <= 24);
});

test('a key does its work once, whatever is typed meanwhile', async (context) => {
  const names: string[] = [];
  const { type } = startConsole(context, 'log', [greeting((name) => names.push(name))]);
  await type('ggg\r');
  assert.deepEqual(names, ['gg']);
  await type('Gh\r');
  assert.deepEqual(names, ['gg', 'h']);
});

test('what fails or is broken off is told, and the keys work on', async (context) => {
  const failing = (error: Error): Action => ({
    key: error instanceof CancelledError ? 'c' : 'f',
    label: 'fail',
    run: async () => {
      throw error;
    },
  });
  const actions = [failing(new Error('no paper')), failing(new CancelledError('no')), greeting()];
  const { takeWritten, type } = startConsole(context, 'log', actions);
  takeWritten();
  await type('fcg\x03');
  assert.equal(takeWritten(), 'That failed: no paper\nNothing was changed.\nName: \nNothing was changed.\n');
});

test('nothing is drawn while the terminal is lent', async (context) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const shell: Action = { key: 's', label: 'shell', run: (_, { lend }) => lend(() => promise) };
  const { console, lent, takeWritten, type } = startConsole(context, 'page', [shell]);
  await type('s');
  takeWritten();
  console.show(PICTURE);
  assert.equal(takeWritten(), '');
  resolve();
  await type('x');
  assert.match(takeWritten(), /diskferry imaging client/);
  assert.deepEqual(lent, ['begin', 'end']);
});

test('a page is only drawn where the terminal is known to understand it', () => {
  for (const path of ['/dev/ttyS0', '/dev/ttyAMA0', '/dev/hvc0']) assert.equal(styleOf(path, 'linux'), 'log');
  assert.equal(styleOf('/dev/tty1'), 'page');
  assert.equal(styleOf('/dev/tty1', 'dumb'), 'page');
  assert.equal(styleOf('/dev/pts/3', 'xterm-256color'), 'page');
  for (const type of [undefined, '', 'dumb', 'unknown']) assert.equal(styleOf('/dev/pts/3', type), 'log');
});
