import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { DiskferryError } from '@diskferry/system/errors';

/** A command of the QEMU Machine Protocol (QEMU documentation, "QEMU QMP Reference Manual"). */
export interface QmpCommand {
  readonly execute: string;
  readonly arguments?: Readonly<Record<string, unknown>>;
}

interface QmpMessage {
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
}

interface Waiting {
  readonly command: QmpCommand;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Speaks QMP over a connected socket. */
export class QmpConnection {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('close', () => this.#failAll());
    // A killed machine resets the connection; its process tells how it ended. readline passes the error on.
    createInterface(socket)
      .on('line', (line) => this.#receive(JSON.parse(line) as QmpMessage))
      .on('error', () => undefined);
    // No other command is understood before this one.
    this.execute({ execute: 'qmp_capabilities' }).catch(() => undefined);
  }

  /** @throws {DiskferryError} `QMP_REFUSED` when QEMU refuses the command, `QMP_CLOSED` when the machine has ended */
  async execute(command: QmpCommand): Promise<unknown> {
    if (!this.#socket.writable) throw closed(command);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { command, resolve, reject });
      this.#socket.write(`${JSON.stringify({ ...command, id })}\n`);
    });
  }

  /** Messages without our id are the greeting and events. */
  #receive({ id, return: result, error }: QmpMessage): void {
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    if (id === undefined || waiting === undefined) return;
    this.#waiting.delete(id);
    if (error === undefined) return waiting.resolve(result);
    const message = `QEMU refused ${waiting.command.execute}: ${error.desc}`;
    waiting.reject(new DiskferryError('QMP_REFUSED', message));
  }

  #failAll(): void {
    for (const { command, reject } of this.#waiting.values()) reject(closed(command));
    this.#waiting.clear();
  }
}

function closed(command: QmpCommand): DiskferryError {
  return new DiskferryError('QMP_CLOSED', `the virtual machine ended before it answered ${command.execute}`);
}
