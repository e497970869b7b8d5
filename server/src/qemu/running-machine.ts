import { DiskferryError } from '@diskferry/system/errors';
import type { MachineExit, QemuProcess } from './qemu-process.ts';
import type { QmpCommand, QmpConnection } from './qmp.ts';
import type { SerialConsole, SerialMatch } from './serial-console.ts';
import { type WaitOptions, waitForSerial } from './wait-for-serial.ts';

/** A running virtual machine. */
export interface Machine extends AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  /** Everything that the machine sent to its serial line, byte for byte. */
  readonly serialLogPath: string;
  readonly serial: SerialConsole;
  readonly exited: Promise<MachineExit>;
  /**
   * Waits until the serial line has shown the pattern.
   *
   * @throws {DiskferryError} `MACHINE_SILENT` when time is over, `MACHINE_ENDED` when the machine ends before,
   * `MACHINE_FAILED` when it showed what makes waiting hopeless; all quote the last lines
   */
  waitForSerial(pattern: RegExp, options: WaitOptions): Promise<SerialMatch>;
  /** The port of 127.0.0.1 that leads to a forwarded port of the guest. */
  hostPort(guestPort: number): number;
  /** @throws {DiskferryError} `QMP_REFUSED` or `QMP_CLOSED` */
  qmp(command: QmpCommand): Promise<unknown>;
  /** Writes a picture of the screen, as PNG. */
  screenshot(path: string): Promise<void>;
  /** Ends the machine at once, as if the plug were pulled. */
  kill(): Promise<MachineExit>;
  /** Presses the power button and waits until the machine is off; after `timeoutMs` the plug is pulled. */
  powerDown(options: { readonly timeoutMs: number }): Promise<MachineExit>;
}

interface Parts {
  readonly name: string;
  readonly qemu: QemuProcess;
  readonly serial: SerialConsole;
  readonly qmp: QmpConnection;
  readonly serialLogPath: string;
  readonly hostPorts: ReadonlyMap<number, number>;
}

/** Joins the parts of a started machine. */
export function runningMachine({ name, qemu, serial, qmp, serialLogPath, hostPorts }: Parts): Machine {
  const { exited } = qemu;
  return {
    name,
    pid: qemu.pid,
    serialLogPath,
    serial,
    exited,
    waitForSerial: async (pattern, options) =>
      waitForSerial({ name, serial, serialLogPath, exited }, pattern, options),
    hostPort: (guestPort) => portOf(hostPorts, guestPort, name),
    qmp: async (command) => qmp.execute(command),
    screenshot: async (path) => {
      await qmp.execute({ execute: 'screendump', arguments: { filename: path, format: 'png' } });
    },
    kill: async () => qemu.kill(),
    powerDown: async ({ timeoutMs }) => {
      // A machine that ended in this very moment is off as well.
      await qmp.execute({ execute: 'system_powerdown' }).catch(() => undefined);
      const timer = setTimeout(() => void qemu.kill(), timeoutMs);
      return exited.finally(() => clearTimeout(timer));
    },
    [Symbol.asyncDispose]: async () => {
      await qemu.kill();
    },
  };
}

function portOf(hostPorts: ReadonlyMap<number, number>, guestPort: number, name: string): number {
  const port = hostPorts.get(guestPort);
  if (port !== undefined) return port;
  throw new DiskferryError('PORT_NOT_FORWARDED', `the machine ${name} forwards no port ${guestPort}`);
}
