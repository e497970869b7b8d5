import { UsageError } from '@diskferry/system/errors';

/** What the environment says about every machine, for debugging and for other hosts. */
export interface Overrides {
  /** DISKFERRY_QEMU_ACCEL: tcg by default; kvm only on request, because /dev/kvm may exist and not work. */
  readonly accel: string | undefined;
  /** DISKFERRY_QEMU_MEMORY, in MiB. */
  readonly memoryMb: number | undefined;
  /** DISKFERRY_QEMU_CPUS. */
  readonly cpus: number | undefined;
  /** DISKFERRY_QEMU_ARGS: words separated by blanks, put at the end of the command line. */
  readonly extraArguments: readonly string[];
  /** DISKFERRY_QEMU_LOGS: a folder in which serial logs are kept. */
  readonly logFolder: string | undefined;
}

export function readOverrides(environment: NodeJS.ProcessEnv = process.env): Overrides {
  const words = (environment['DISKFERRY_QEMU_ARGS'] ?? '').split(/\s+/).filter((word) => word !== '');
  return {
    accel: environment['DISKFERRY_QEMU_ACCEL'],
    memoryMb: numberIn(environment, 'DISKFERRY_QEMU_MEMORY'),
    cpus: numberIn(environment, 'DISKFERRY_QEMU_CPUS'),
    extraArguments: words,
    logFolder: environment['DISKFERRY_QEMU_LOGS'],
  };
}

/** @throws {UsageError} when the variable is no positive whole number */
function numberIn(environment: NodeJS.ProcessEnv, name: string): number | undefined {
  const text = environment[name];
  if (text === undefined) return undefined;
  if (!/^[1-9]\d*$/.test(text)) throw new UsageError(`${name} is "${text}", not a positive whole number`);
  return Number(text);
}
