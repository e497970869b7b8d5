import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { identifyProcess, isRunning } from '@diskferry/system/process-identity';
import { openSession, type Session } from '@diskferry/system/session';
import { makeTalkingDisk } from './boot-sector.ts';
import { startMachine } from './machine.ts';
import type { MachineDescription } from './machine-description.ts';

const TIMEOUT_MS = 60_000;

async function talkingMachine(session: Session, words: string): Promise<MachineDescription> {
  const path = join(session.folder, 'talking.raw');
  await makeTalkingDisk(path, words);
  return { name: 'talking', firmware: 'bios', memoryMb: 32, disks: [{ path, format: 'raw', bus: 'ahci' }] };
}

/** QEMU writes its log after it has sent the byte to the socket: waits until the log has the words, or the test's end. */
async function logged(path: string, words: string): Promise<void> {
  while (!(await readFile(path, 'latin1')).includes(words)) await sleep(20);
}

test('a machine boots its disk, and what it says is seen and logged', async () => {
  await using session = openSession('machine-test');
  await using machine = await startMachine(await talkingMachine(session, 'ahoy\r\n'), { session });
  const { match } = await machine.waitForSerial(/a(ho)y\n/, { timeoutMs: TIMEOUT_MS });
  assert.equal(match[1], 'ho');
  await logged(machine.serialLogPath, 'ahoy\r\n');
});

test('a picture of the screen can be taken', async () => {
  await using session = openSession('machine-test');
  await using machine = await startMachine(await talkingMachine(session, 'ahoy'), { session });
  const path = join(session.folder, 'screen.png');
  await machine.screenshot(path);
  assert.ok((await stat(path)).size > 0);
});

test('a machine that does not say it in time is reported with its last lines', async () => {
  await using session = openSession('machine-test');
  await using machine = await startMachine(await talkingMachine(session, 'panic: no root\n'), { session });
  await machine.waitForSerial(/no root/, { timeoutMs: TIMEOUT_MS });
  await assert.rejects(machine.waitForSerial(/login:/, { timeoutMs: 50 }), {
    code: 'MACHINE_SILENT',
    message: /did not show \/login:\/ .*\npanic: no root/s,
  });
});

test('a machine that says that it gives up is not waited for', async () => {
  await using session = openSession('machine-test');
  await using machine = await startMachine(await talkingMachine(session, 'Kernel panic - bad'), { session });
  const waiting = machine.waitForSerial(/login:/, { timeoutMs: TIMEOUT_MS, hopeless: /Kernel panic/ });
  await assert.rejects(waiting, { code: 'MACHINE_FAILED', message: /showed .*Kernel panic/ });
});

test('a machine that ends while it is waited for is reported at once', async () => {
  await using session = openSession('machine-test');
  await using machine = await startMachine(await talkingMachine(session, 'ahoy'), { session });
  const waiting = machine.waitForSerial(/login:/, { timeoutMs: TIMEOUT_MS });
  const rejected = assert.rejects(waiting, { code: 'MACHINE_ENDED', message: /SIGKILL/ });
  const { signal } = await machine.kill();
  assert.equal(signal, 'SIGKILL');
  await rejected;
  assert.deepEqual(session.held, []);
});

test('a machine that QEMU does not accept is refused with its words', async () => {
  await using session = openSession('machine-test');
  const disks = [{ path: join(session.folder, 'no.raw'), format: 'raw', bus: 'virtio' }] as const;
  await assert.rejects(startMachine({ name: 'refused', firmware: 'bios', disks }, { session }), {
    code: 'MACHINE_REFUSED',
    message: /no\.raw.*No such file/s,
  });
  assert.deepEqual(session.held, []);
});

test('an abort pulls the plug', async () => {
  await using session = openSession('machine-test');
  const abort = new AbortController();
  const { signal } = abort;
  await using machine = await startMachine(await talkingMachine(session, 'ahoy'), { session, signal });
  abort.abort();
  assert.equal((await machine.exited).signal, 'SIGKILL');
});

test('the end of the session ends the machine', async () => {
  const session = openSession('machine-test');
  const machine = await startMachine(await talkingMachine(session, 'ahoy'), { session });
  const identity = identifyProcess(machine.pid);
  assert.ok(identity !== undefined && isRunning(identity));
  await session[Symbol.asyncDispose]();
  await machine.exited;
  assert.equal(isRunning(identity), false);
});

test('a guest port is reached at a port of this host, one that is not forwarded is refused', async () => {
  await using session = openSession('machine-test');
  const nic = { model: 'e1000', forwardedPorts: [7000] } as const;
  await using machine = await startMachine({ name: 'nic', firmware: 'bios', nic }, { session });
  assert.ok(machine.hostPort(7000) > 0);
  assert.throws(() => machine.hostPort(22), { code: 'PORT_NOT_FORWARDED' });
});

test('a command that QEMU refuses is an error with its words, and one after the end too', async () => {
  await using session = openSession('machine-test');
  await using machine = await startMachine({ name: 'qmp', firmware: 'bios' }, { session });
  await assert.rejects(machine.qmp({ execute: 'no-such-command' }), { code: 'QMP_REFUSED' });
  await machine.kill();
  await assert.rejects(machine.qmp({ execute: 'query-status' }), { code: 'QMP_CLOSED' });
});
