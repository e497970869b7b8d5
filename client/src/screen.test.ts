import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Inventory } from '@diskferry/protocol/inventory';
import { LogView } from './console/log-view.ts';
import { startScreen } from './screen.ts';
import { ActivityBook } from './server/activity.ts';
import type { StatusState } from './status.ts';

const POLL_MS = 2_000;
const INVENTORY: Inventory = {
  computer: { firmware: 'bios' },
  processors: { model: 'x', sockets: 1, cores: 1, threads: 1 },
  memoryBytes: 1,
  nics: [{ name: 'eth0', mac: '52:54:00:00:00:01', linkUp: true, addresses: [] }],
  disks: [],
};

/** A screen whose clock stands still until the test moves it. */
function startTestScreen(context: TestContext) {
  context.mock.timers.enable({ apis: ['setInterval'] });
  const state = { inventory: INVENTORY, grants: [] as StatusState['grants'], fails: false };
  const book = new ActivityBook();
  const printed: string[] = [];
  const clock = { ms: 0 };
  const screen = startScreen({
    readState: () => {
      if (state.fails) throw new Error('no more file descriptors');
      return {
        version: '1',
        inventory: state.inventory,
        port: 7000,
        controlPort: 7001,
        host: undefined,
        access: { kind: 'insecure', writable: false },
        grants: state.grants,
        network: [],
        controllers: [],
        uptime: 1,
      };
    },
    book,
    now: () => clock.ms,
    views: [new LogView((text) => printed.push(text))],
  });
  context.after(() => screen.stop());
  return {
    state,
    book,
    poll: (times = 1) => {
      for (let poll = 0; poll < times; poll++) {
        clock.ms += POLL_MS;
        context.mock.timers.tick(POLL_MS);
      }
    },
    takePrinted: () => printed.splice(0).join(''),
  };
}

test('the status is printed at once, and again only when an address comes', (context) => {
  const { state, poll, takePrinted } = startTestScreen(context);
  assert.match(takePrinted(), /eth0 .* no address/);
  poll(5);
  assert.equal(takePrinted(), '');
  const [nic] = INVENTORY.nics;
  assert.ok(nic);
  state.inventory = { ...INVENTORY, nics: [{ ...nic, addresses: ['10.0.2.15'] }] };
  poll();
  assert.match(takePrinted(), /eth0 .* 10\.0\.2\.15/);
});

test('a grant is printed when it comes and when it goes', (context) => {
  const { state, poll, takePrinted } = startTestScreen(context);
  takePrinted();
  state.grants = [{ disk: 'sda', job: 'deploy-7', description: 'web.qcow2' }];
  poll();
  assert.match(takePrinted(), /job deploy-7 WRITES to sda/);
  state.grants = [];
  poll();
  assert.doesNotMatch(takePrinted(), /WRITES/);
});

test('what a server reads is printed while it changes, not at every poll', (context) => {
  const { book, poll, takePrinted } = startTestScreen(context);
  takePrinted();
  const use = book.begin('sda', '10.0.2.2');
  use.bytesRead = 1_000_000;
  poll(2);
  assert.equal(takePrinted(), 'connected: 1 from 10.0.2.2, sda: 1.0 MB read\n');
  use.bytesRead = 2_000_000;
  poll(1);
  assert.equal(takePrinted(), '');
  poll(1);
  assert.equal(takePrinted(), 'connected: 1 from 10.0.2.2, sda: 2.0 MB read, 166.7 KB/s\n');
  poll(10);
  assert.equal(takePrinted(), '');
});

test('a poll that fails is tried again', (context) => {
  const { state, poll, takePrinted } = startTestScreen(context);
  takePrinted();
  state.fails = true;
  poll(2);
  state.fails = false;
  state.inventory = { ...INVENTORY, nics: [] };
  poll();
  assert.match(takePrinted(), /no network card was found/);
});
