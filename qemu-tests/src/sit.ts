import type { Machine } from '@diskferry/server/qemu/machine';

/** Whether a machine shall stay up when its test has failed: DISKFERRY_SIT=1, or --sit behind the test's name. */
const SIT = process.env['DISKFERRY_SIT'] === '1' || process.argv.includes('--sit');

/** After a failure: says where the log is and, on request, keeps the machine until it is ended by hand. */
export async function sitOn(machine: Machine, forwardedPorts: readonly number[]): Promise<void> {
  const ports = forwardedPorts.map((port) => `port ${port}: 127.0.0.1:${machine.hostPort(port)}`);
  process.stderr.write(`serial log of ${machine.name}: ${machine.serialLogPath}\n`);
  if (!SIT) return;
  process.stderr.write(
    `${machine.name} stays up. ${ports.join(', ')}. Follow it: tail -f ${machine.serialLogPath}. ` +
      `End it: kill ${machine.pid}\n`,
  );
  await machine.exited;
}
