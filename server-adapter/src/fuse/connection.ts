import { readSync, writeSync, writevSync } from 'node:fs';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { debuglog } from 'node:util';
import { streamDevice } from './device-stream.ts';

const debug = debuglog('diskferry:fuse');

/** How often to look while mount(8) has not yet joined the descriptor to a mount, in ms. */
const MOUNT_POLL_MS = 5;

/** What takes the requests of the kernel. */
export interface RequestReceiver {
  /** Where the next request shall be put; with room for the largest. May be asked more than once for one request. */
  buffer(): Buffer;
  /** A request of `length` bytes stands at the start of the buffer that was given last. */
  received(length: number): void;
}

/** The kernel's side of one FUSE mount: requests come, answers go. */
export class FuseConnection {
  readonly #fd: number;
  #stream: Socket | undefined;

  /** @param fd an open, non-blocking /dev/fuse, which this takes over */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Gives every request to the receiver; returns when the file is unmounted. */
  async receive(receiver: RequestReceiver): Promise<void> {
    await this.#mounted(receiver);
    await new Promise<void>((resolve, reject) => {
      const stream = streamDevice(this.#fd, {
        buffer: () => receiver.buffer(),
        callback: (length) => {
          receiver.received(length);
          return true;
        },
      });
      this.#stream = stream;
      stream.on('error', (error: NodeJS.ErrnoException) => {
        // ENODEV: unmounted. ECONNABORTED: the administrator ended the connection.
        if (error.code === 'ENODEV' || error.code === 'ECONNABORTED') resolve();
        else reject(error);
      });
    });
  }

  /** Sends an answer, in one or more parts, at once: the kernel never lets an answer wait. */
  send(parts: Uint8Array | readonly Uint8Array[]): void {
    // The stream closes the descriptor when the mount goes, and the next file that is opened may get its number.
    if (this.#stream?.destroyed === true) return;
    try {
      if (parts instanceof Uint8Array) writeSync(this.#fd, parts);
      else writevSync(this.#fd, parts);
    } catch (failure) {
      // ENOENT: nobody waits for this answer any more. ENODEV: unmounted in the meantime.
      debug('an answer was dropped: %s', failure);
    }
  }

  /** Until the mount exists reading fails, and polling would report an error. */
  async #mounted(receiver: RequestReceiver): Promise<void> {
    for (;;) {
      try {
        return receiver.received(readSync(this.#fd, receiver.buffer()));
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'EAGAIN') return;
        if (code !== 'EPERM') throw error;
      }
      await sleep(MOUNT_POLL_MS);
    }
  }
}
