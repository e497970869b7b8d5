import { closeSync, mkdirSync, openSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type KexecPieceMessage,
  type LeaveMessage,
  MAX_KEXEC_PIECE_BYTES,
} from '@diskferry/protocol/control';
import type { Access } from '../access/access.ts';
import { canLeave, leave } from './leave.ts';
import { LeaveError } from './leave-error.ts';
import { loadKernel } from './load-kernel.ts';

/** In the memory of the secondary OS. */
const FOLDER = 'run/diskferry/kexec';
/** Kernels have some 10 MB, an initrd of a distribution up to 200 MB. */
const MAX_FILE_BYTES = 512 * 1024 * 1024;
/** The answer shall be on its way before this system ends, in ms. */
const FAREWELL_MS = 500;

/** Sends this computer out of the secondary OS when a server says so. */
export class Departure {
  readonly #root: string;

  constructor(root = '/') {
    this.#root = root;
  }

  /**
   * Keeps a piece of what `kexec` shall start.
   *
   * @throws {LeaveError}
   */
  keep(access: Access, { file, offset, data }: KexecPieceMessage): void {
    this.#requireRight(access);
    const bytes = Buffer.from(data, 'base64');
    if (bytes.length > MAX_KEXEC_PIECE_BYTES || offset + bytes.length > MAX_FILE_BYTES) {
      throw new LeaveError(
        `the ${file} is too large: at most ${MAX_FILE_BYTES} bytes, in pieces of ${MAX_KEXEC_PIECE_BYTES}`,
      );
    }
    const path = this.#path(file);
    mkdirSync(join(this.#root, FOLDER), { recursive: true, mode: 0o700 });
    const descriptor = openSync(path, offset === 0 ? 'w' : 'r+', 0o600);
    try {
      writeSync(descriptor, bytes, 0, bytes.length, offset);
    } catch (cause) {
      truncateSync(path);
      throw new LeaveError(`the ${file} does not fit into memory`, { cause });
    } finally {
      closeSync(descriptor);
    }
  }

  /**
   * Arranges all that can fail. What is returned ends this system; the answer goes out before.
   *
   * @throws {LeaveError}
   */
  prepare(access: Access, { how, commandLine = '' }: LeaveMessage): () => Promise<void> {
    this.#requireRight(access);
    if (how === 'kexec') {
      loadKernel({ kernel: this.#path('kernel'), initrd: this.#path('initrd') }, commandLine);
      // The kernel has a copy.
      rmSync(join(this.#root, FOLDER), { recursive: true, force: true });
    }
    return async () => {
      await sleep(FAREWELL_MS);
      await leave(how, { root: this.#root });
    };
  }

  #path(file: string): string {
    return join(this.#root, FOLDER, file);
  }

  /** Who may be given the right to write may also send it away: both take a server that has proved who it is. */
  #requireRight(access: Access): void {
    if (!canLeave(this.#root)) throw refusal('it runs on no secondary OS');
    try {
      access.refuseGrants();
    } catch {
      throw refusal(
        'its client was started with --insecure, where nobody proves who he is; use the keys at its screen',
      );
    }
    const [grant] = access.grants.list();
    if (grant !== undefined) throw refusal(`job ${grant.job} writes to ${grant.disk}`);
  }
}

function refusal(reason: string): LeaveError {
  return new LeaveError(`that computer does not leave the secondary OS: ${reason}`, {
    code: 'LEAVE_REFUSED',
  });
}
