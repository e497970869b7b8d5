import type { TestContext } from 'node:test';
import { run } from '@diskferry/system/run';
import { atEnd } from './at-end.ts';

/** Another machine, as far as the network is concerned, joined to this one by a cable. */
export interface OtherMachine {
  /** Its address, and how a program is started there. */
  readonly address: string;
  readonly prefix: readonly string[];
  /** Pulls the cable, or plugs it in again. */
  setCable(isPlugged: boolean): Promise<void>;
}

/** A network namespace with an address of its own, gone after the test. */
export async function makeOtherMachine(test: TestContext): Promise<OtherMachine> {
  // Names of interfaces have at most 15 characters; the process id keeps runs apart.
  const name = `dfnbd${process.pid % 100_000}`;
  const [here, there] = [`${name}a`, `${name}b`];
  const subnet = `10.213.${process.pid % 256}`;
  await run(['ip', 'netns', 'add', name]);
  atEnd(test, async () => {
    await run(['ip', 'link', 'delete', here], { okExitCodes: [0, 1] });
    await run(['ip', 'netns', 'delete', name]);
  });
  await run(['ip', 'link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', name]);
  await run(['ip', 'address', 'add', `${subnet}.1/30`, 'dev', here]);
  await run(['ip', 'link', 'set', here, 'up']);
  for (const words of [
    ['address', 'add', `${subnet}.2/30`, 'dev', there],
    ['link', 'set', there, 'up'],
    ['link', 'set', 'lo', 'up'],
  ]) {
    await run(['ip', '-netns', name, ...words]);
  }
  return {
    address: `${subnet}.2`,
    prefix: ['ip', 'netns', 'exec', name],
    setCable: async (isPlugged) => {
      await run(['ip', '-netns', name, 'link', 'set', there, isPlugged ? 'up' : 'down']);
    },
  };
}
