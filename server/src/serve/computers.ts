import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DiskInfo, Inventory } from '@diskferry/protocol/inventory';
import { DiskferryError, messageOf } from '@diskferry/system/errors';
import type { WebSocket } from 'ws';
import type { Channels } from './channels.ts';
import { ComputerLink } from './computer-link.ts';
import { computerName } from './computer-name.ts';
import type { Enrolment } from './enrolments.ts';
import { type LocalSocket, offerLocalSocket } from './local-socket.ts';
import type { ManagedComputer } from './managed-computer.ts';
import { computersFolder, diskFileName } from './run-folder.ts';

/** A disk that is plugged in is seen so much later, in ms; what is said also keeps NAT tables warm. */
const INVENTORY_INTERVAL_MS = 5_000;
const HELLO_TIMEOUT_MS = 10_000;
/** Digits of a fingerprint that tell apart two computers of one name. */
const FINGERPRINT_DIGITS = 6;

/** A client that was let in. */
export interface AdmittedClient {
  readonly socket: WebSocket;
  readonly fingerprint: string;
  readonly enrolment: Enrolment;
  readonly address: string;
}

/** A computer while it is connected. */
export interface Computer {
  readonly name: string;
  readonly fingerprint: string;
  readonly enrolment: Enrolment;
  /** From where it dialled; with NAT, not its own address. */
  readonly address: string;
  readonly link: ComputerLink;
  readonly inventory: Inventory;
  /** An NBD session that sees one export only; see `open-channel`. */
  openChannel(disk: string): Promise<Duplex>;
  describe(): ManagedComputer;
}

export interface ComputersOptions {
  readonly channels: Channels;
  readonly runFolder: string;
  /** Told in a sentence who comes and goes. */
  readonly log: (line: string) => void;
  /** Told of each computer that has become ready. */
  readonly onConnected: (computer: Computer) => void;
  readonly inventoryIntervalMs?: number;
}

/** The computers whose clients are connected, and the sockets of their disks. */
export class Computers {
  readonly #options: ComputersOptions;
  readonly #connected = new Map<string, ConnectedComputer>();
  #closed: string | undefined;

  constructor(options: ComputersOptions) {
    this.#options = options;
    rmSync(computersFolder(options.runFolder), { recursive: true, force: true });
  }

  /** Keeps a computer until its client is gone. Never rejects. */
  async attend(client: AdmittedClient): Promise<void> {
    const { log, inventoryIntervalMs = INVENTORY_INTERVAL_MS } = this.#options;
    const link = new ComputerLink(client.socket);
    if (this.#closed !== undefined) link.end(this.#closed);
    let computer: ConnectedComputer | undefined;
    try {
      const timer = setTimeout(() => link.end('it did not say hello in time'), HELLO_TIMEOUT_MS);
      const { version } = await link.hello.finally(() => clearTimeout(timer));
      const { inventory } = await link.ask({ type: 'get-inventory' });
      const name = await this.#freeName(computerName(inventory), client.fingerprint);
      // It may have been told to go while it waited for its name.
      link.signal.throwIfAborted();
      computer = new ConnectedComputer({ ...this.#options, ...client, name, link, version, inventory });
      this.#connected.set(name, computer);
      await computer.offerDisks();
      log(`${name} connected from ${client.address}, admitted by ${client.enrolment.name}`);
      this.#options.onConnected(computer);
      for (;;) {
        await sleep(inventoryIntervalMs, undefined, { signal: link.signal });
        computer.inventory = (await link.ask({ type: 'get-inventory' })).inventory;
        await computer.offerDisks();
      }
    } catch (error) {
      link.end(messageOf(error));
    }
    const why = await link.ended;
    log(`${computer?.name ?? client.address} is gone: ${why}`);
    await computer?.close();
    if (computer !== undefined) this.#connected.delete(computer.name);
    computer?.released.resolve();
  }

  list(): readonly Computer[] {
    return [...this.#connected.values()].toSorted((a, b) => a.name.localeCompare(b.name));
  }

  /** @throws {DiskferryError} `COMPUTER_MISSING` */
  get(name: string): Computer {
    const computer = this.#connected.get(name);
    if (computer !== undefined) return computer;
    const names = this.list().map((other) => other.name);
    const known = names.length === 0 ? 'no computer is connected' : `connected are ${names.join(', ')}`;
    throw new DiskferryError('COMPUTER_MISSING', `no computer ${name} is connected; ${known}`);
  }

  /** Ends the connections of some; they may come back. */
  async disconnect(which: (computer: Computer) => boolean, why: string): Promise<void> {
    const leaving = [...this.#connected.values()].filter(which);
    for (const { link } of leaving) link.end(why);
    await Promise.all(leaving.map(({ released }) => released.promise));
  }

  /** Ends all connections; whoever comes from now on is sent away. */
  async close(why: string): Promise<void> {
    this.#closed = why;
    await this.disconnect(() => true, why);
  }

  /**
   * A name that nobody has: the wished one, if need be after its holder has turned out to be dead. Two computers with
   * one serial number are told apart by their keys.
   */
  async #freeName(wished: string, fingerprint: string): Promise<string> {
    for (const name of [wished, `${wished}-${fingerprint.slice(0, FINGERPRINT_DIGITS)}`]) {
      for (;;) {
        const holder = this.#connected.get(name);
        if (holder === undefined) return name;
        if (holder.fingerprint !== fingerprint && (await holder.link.isAlive())) break;
        holder.link.end('the same computer connected again');
        await holder.released.promise;
      }
    }
    throw new DiskferryError('COMPUTER_NAMED_TWICE', `two other computers call themselves ${wished}`);
  }
}

interface ConnectedOptions extends ComputersOptions, AdmittedClient {
  readonly name: string;
  readonly link: ComputerLink;
  readonly version: string;
  readonly inventory: Inventory;
}

class ConnectedComputer implements Computer {
  readonly name: string;
  readonly fingerprint: string;
  readonly enrolment: Enrolment;
  readonly address: string;
  readonly link: ComputerLink;
  inventory: Inventory;
  /** Resolves when its name is free again. */
  readonly released = Promise.withResolvers<void>();
  readonly #options: ConnectedOptions;
  readonly #folder: string;
  readonly #sockets = new Map<string, LocalSocket>();
  readonly #since = new Date();

  constructor(options: ConnectedOptions) {
    this.#options = options;
    this.name = options.name;
    this.fingerprint = options.fingerprint;
    this.enrolment = options.enrolment;
    this.address = options.address;
    this.link = options.link;
    this.inventory = options.inventory;
    this.#folder = join(computersFolder(options.runFolder), options.name);
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  /** One socket for each disk that is there now. */
  async offerDisks(): Promise<void> {
    const names = new Set(this.inventory.disks.map(({ name }) => name));
    for (const [name, socket] of this.#sockets) {
      if (names.has(name)) continue;
      this.#sockets.delete(name);
      await socket.close();
    }
    for (const name of names) {
      if (this.#sockets.has(name)) continue;
      const path = join(this.#folder, `${diskFileName(name)}.sock`);
      this.#sockets.set(name, await offerLocalSocket(path, () => this.openChannel(name)));
    }
  }

  async openChannel(disk: string): Promise<Duplex> {
    const channel = this.#options.channels.expect(this.fingerprint);
    this.link
      .ask({ type: 'open-channel', channel: channel.id, disk })
      .catch((error: unknown) => channel.cancel(messageOf(error)));
    return channel.stream;
  }

  describe(): ManagedComputer {
    const { version } = this.#options;
    return {
      name: this.name,
      address: this.address,
      fingerprint: this.fingerprint,
      enrolment: this.enrolment.name,
      version,
      connectedSince: this.#since.toISOString(),
      disks: this.inventory.disks.flatMap((disk) => this.#describeDisk(disk)),
      inventory: this.inventory,
    };
  }

  #describeDisk({ name, size, model, serial }: DiskInfo): ManagedComputer['disks'] {
    const socket = this.#sockets.get(name);
    if (socket === undefined) return [];
    const words = { ...(model === undefined ? {} : { model }), ...(serial === undefined ? {} : { serial }) };
    return [{ name, size, ...words, socket: socket.path }];
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sockets.values()].map((socket) => socket.close()));
    this.#sockets.clear();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
