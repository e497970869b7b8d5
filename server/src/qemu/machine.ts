import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskferryError } from '@diskferry/system/errors';
import type { Session } from '@diskferry/system/session';
import { awaitCaller } from './awaited-caller.ts';
import { commandLine, markOf, type Surroundings } from './command-line.ts';
import { type FirmwareFiles, prepareUefi } from './firmware.ts';
import { freePort } from './free-port.ts';
import type { MachineDescription } from './machine-description.ts';
import { readOverrides } from './overrides.ts';
import { type MachineExit, startQemu } from './qemu-process.ts';
import { QmpConnection } from './qmp.ts';
import { type Machine, runningMachine } from './running-machine.ts';
import { SerialConsole } from './serial-console.ts';

export type { Machine };

/** A port that was free may be taken before QEMU opens it. */
const PORT_ATTEMPTS = 3;
const PORT_TAKEN = /could not set up host forwarding/i;

export interface StartOptions {
  /** Holds the process; sockets, variables of the firmware and the serial log lie in its folder. */
  readonly session: Session;
  /** Where the serial log goes and stays; by default it goes with the session. DISKFERRY_QEMU_LOGS overrides it. */
  readonly logFolder?: string;
  /** Pulls the plug when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Starts a virtual machine. It ends with `kill`, `powerDown`, the signal, or the session.
 *
 * @throws {DiskferryError} `COMMAND_MISSING` or `FIRMWARE_MISSING` when something is not installed,
 * `MACHINE_REFUSED` when QEMU does not accept the machine, with its words
 */
export async function startMachine(
  description: MachineDescription,
  { session, logFolder, signal }: StartOptions,
): Promise<Machine> {
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    const started = await startOnce(description, session, logFolder);
    if ('machine' in started) return endOnAbort(started.machine, signal);
    if (!PORT_TAKEN.test(started.stderr) || attempt === PORT_ATTEMPTS) {
      const words = started.stderr.trim();
      throw new DiskferryError(
        'MACHINE_REFUSED',
        `QEMU did not start the machine ${description.name}: ${words}`,
      );
    }
  }
}

async function startOnce(
  description: MachineDescription,
  session: Session,
  logFolder: string | undefined,
): Promise<{ readonly machine: Machine } | MachineExit> {
  const around = await prepareSurroundings(description, session, logFolder);
  const callers = await Promise.all([awaitCaller(around.serialSocket), awaitCaller(around.qmpSocket)]);
  try {
    const qemu = await startQemu(commandLine(description, around), markOf(around.qmpSocket), session);
    const sockets = await Promise.race([Promise.all(callers.map(({ caller }) => caller)), qemu.exited]);
    if (!Array.isArray(sockets)) return sockets;
    const [serialSocket, qmpSocket] = sockets;
    if (serialSocket === undefined || qmpSocket === undefined) return await qemu.kill();
    const [serial, qmp] = [new SerialConsole(serialSocket), new QmpConnection(qmpSocket)];
    // QEMU connects its sockets before it opens disks and ports: only an answer shows that it accepted them all.
    const accepted = await qmp.execute({ execute: 'query-status' }).then(
      () => true,
      () => false,
    );
    if (!accepted) return await qemu.exited;
    const { serialLog: serialLogPath, hostPorts } = around;
    return {
      machine: runningMachine({ name: description.name, qemu, serial, qmp, serialLogPath, hostPorts }),
    };
  } finally {
    for (const caller of callers) caller.stop();
  }
}

async function prepareSurroundings(
  description: MachineDescription,
  session: Session,
  keptLogs: string | undefined,
): Promise<Surroundings> {
  const overrides = readOverrides();
  const folder = join(session.folder, description.name);
  await mkdir(folder, { recursive: true });
  const logFolder = overrides.logFolder ?? keptLogs ?? folder;
  await mkdir(logFolder, { recursive: true });
  const serialLog = join(logFolder, `${description.name}.serial.log`);
  await writeFile(serialLog, '');
  return {
    serialSocket: join(folder, 'serial'),
    qmpSocket: join(folder, 'qmp'),
    serialLog,
    firmwareFiles: await firmwareFilesOf(description, join(folder, 'variables.fd')),
    hostPorts: await chooseHostPorts(description),
    overrides,
  };
}

async function firmwareFilesOf(
  { firmware }: MachineDescription,
  variablesPath: string,
): Promise<FirmwareFiles | undefined> {
  return firmware === 'bios' ? undefined : prepareUefi(firmware, variablesPath);
}

async function chooseHostPorts({ nic }: MachineDescription): Promise<ReadonlyMap<number, number>> {
  const ports = new Map<number, number>();
  for (const guestPort of nic?.forwardedPorts ?? []) ports.set(guestPort, await freePort());
  return ports;
}

function endOnAbort(machine: Machine, signal: AbortSignal | undefined): Machine {
  const end = (): void => void machine.kill();
  signal?.addEventListener('abort', end, { once: true });
  void machine.exited.then(() => signal?.removeEventListener('abort', end));
  if (signal?.aborted === true) end();
  return machine;
}
