import { existsSync, statSync } from 'node:fs';
import { link, open, stat, statfs, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { createImage } from '@diskferry/server-adapter/image/virtual-disk';
import type { LoopbackDriverName, SimulatedDisk } from '@diskferry/server-adapter/simulated-disk';
import { attachDisk } from '@diskferry/server-adapter/switch';
import type { Resource } from '@diskferry/system/resource';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import { RefusedError } from '../refused-error.ts';

/** stat counts blocks of 512 bytes whatever the file system (stat(2)). */
const STAT_BLOCK_BYTES = 512;

/** An image in the making. It has a hidden name of its own until it is whole. */
export class NewImage {
  readonly path: string;
  readonly #session: Session;
  readonly #partial: Extract<Resource, { kind: 'file' }>;
  #disk: SimulatedDisk | undefined;

  /** @throws {RefusedError} when the name is taken or its folder is not there */
  constructor(path: string, session: Session) {
    this.path = resolve(path);
    this.#session = session;
    this.#partial = {
      kind: 'file',
      path: join(dirname(this.path), `.${basename(this.path)}.${session.id}.partial`),
    };
    if (existsSync(this.path)) {
      throw new RefusedError('IMAGE_EXISTS', `${path} exists already; delete it or choose another name`);
    }
    if (!statSync(dirname(this.path), { throwIfNoEntry: false })?.isDirectory()) {
      throw new RefusedError(
        'FOLDER_MISSING',
        `the folder ${dirname(this.path)} does not exist; make it first`,
      );
    }
  }

  /** What the folder of the image can still take, in bytes. */
  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(dirname(this.path));
    return bavail * bsize;
  }

  /** Makes the empty virtual disk, `size` bytes large and sparse, and attaches it for writing. */
  async create(size: number, options: NewImageOptions): Promise<void> {
    this.#session.hold(this.#partial);
    await createImage(this.#partial.path, 'qcow2', size);
    this.#disk = await attachDisk(
      { kind: 'image', path: this.#partial.path, format: 'qcow2' },
      { session: this.#session, mode: 'write', ...options },
    );
  }

  /** The attached disk; there is one between `create` and `finish`. */
  get disk(): SimulatedDisk {
    if (this.#disk === undefined) throw new Error('the image is not attached');
    return this.#disk;
  }

  /** Detaches the image, checks it and gives it its name. Returns the allocated bytes. */
  async finish(): Promise<number> {
    await this.disk.detach();
    await run(['qemu-img', 'check', '-q', this.#partial.path]);
    await syncFile(this.#partial.path);
    // A hard link fails where a rename would silently replace an image that came into being meanwhile.
    await link(this.#partial.path, this.path);
    await unlink(this.#partial.path);
    this.#session.drop(this.#partial);
    const { blocks } = await stat(this.path);
    return blocks * STAT_BLOCK_BYTES;
  }
}

interface NewImageOptions {
  readonly driver: LoopbackDriverName;
  readonly sectorSize: SimulatedDisk['sectorSize'];
  readonly signal: AbortSignal;
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
