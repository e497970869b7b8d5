import { existsSync, statSync } from 'node:fs';
import { link, open, stat, statfs, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { ImageError } from '@diskferry/server-adapter/image/image-error';
import { createImage } from '@diskferry/server-adapter/image/virtual-disk';
import type {
  AccessMode,
  ImageFormat,
  LoopbackDriverName,
  SimulatedDisk,
} from '@diskferry/server-adapter/simulated-disk';
import { attachDisk } from '@diskferry/server-adapter/switch';
import type { Resource } from '@diskferry/system/resource';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import { formatBytes } from '@diskferry/system/units';
import { HEAD_BYTES, refusalOf } from '../catalog/image-header.ts';
import { RefusedError } from '../refused-error.ts';
import type { Destination, Geometry } from './destination.ts';

/** stat counts blocks of 512 bytes whatever the file system (stat(2)). */
const STAT_BLOCK_BYTES = 512;
/** A folder with less free space than this is called full, in bytes. */
const FULL_BYTES = 8 * 1024 * 1024;
/** What `qemu-img check` can check (qemu-img(1)); a raw image has no structure of its own. */
const CHECKED: readonly ImageFormat[] = ['qcow2', 'vdi', 'vhdx', 'vmdk'];

export interface NewImageOptions {
  readonly format: ImageFormat;
  readonly session: Session;
  readonly driver: LoopbackDriverName;
}

/** An image in the making. It has a hidden name of its own until it is whole. */
export class NewImage implements Destination {
  readonly path: string;
  readonly isNew = true;
  readonly format: ImageFormat;
  readonly #options: NewImageOptions;
  readonly #partial: Extract<Resource, { kind: 'file' }>;
  #geometry: Geometry | undefined;
  #disk: SimulatedDisk | undefined;

  /** @throws {RefusedError} when the name is taken or its folder is not there */
  constructor(path: string, options: NewImageOptions) {
    this.path = resolve(path);
    this.format = options.format;
    this.#options = options;
    this.#partial = {
      kind: 'file',
      path: join(dirname(this.path), `.${basename(this.path)}.${options.session.id}.partial`),
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

  get name(): string {
    return `the new image ${this.path}`;
  }

  /** Says how large the image shall be, and with which sectors; to be called before `open`. */
  shape(geometry: Geometry): void {
    this.#geometry = geometry;
  }

  async refuseUnlessItFits(neededBytes: number): Promise<void> {
    const free = await this.#freeBytes();
    if (free >= neededBytes) return;
    throw new RefusedError(
      'TARGET_TOO_SMALL',
      `the image needs about ${formatBytes(neededBytes)}, the folder of ${this.path} has ${formatBytes(free)} free`,
    );
  }

  /** Makes the empty virtual disk, sparse, and attaches it for writing. */
  async open(signal: AbortSignal): Promise<SimulatedDisk> {
    if (this.#geometry === undefined) throw new Error('the image has no shape yet');
    this.#options.session.hold(this.#partial);
    await createImage(this.#partial.path, this.format, this.#geometry.bytes);
    this.#disk = await this.#attach('write', this.#geometry, signal);
    return this.#disk;
  }

  get disk(): SimulatedDisk {
    if (this.#disk === undefined) throw new Error('the image is not attached');
    return this.#disk;
  }

  async close(): Promise<void> {
    await this.disk.detach();
  }

  async reopen(signal: AbortSignal): Promise<SimulatedDisk> {
    if (this.#geometry === undefined) throw new Error('the image has no shape yet');
    return this.#attach('copy-on-write', this.#geometry, signal);
  }

  async #attach(mode: AccessMode, { sectorSize }: Geometry, signal: AbortSignal): Promise<SimulatedDisk> {
    const { session, driver } = this.#options;
    const source = { kind: 'image', path: this.#partial.path, format: this.format } as const;
    const isNew = mode === 'write';
    return attachDisk(source, { session, mode, driver, sectorSize, signal, isNew });
  }

  /** @throws {ImageError} `IMAGE_DAMAGED` when it is not whole; it has no name then */
  async finish(): Promise<void> {
    if (CHECKED.includes(this.format)) {
      await run(['qemu-img', 'check', '-q', '-f', this.format, this.#partial.path]);
    }
    await this.#refuseUnlessWhole();
    await syncFile(this.#partial.path);
    // A hard link fails where a rename would silently replace an image that came into being meanwhile.
    await link(this.#partial.path, this.path);
    await unlink(this.#partial.path);
    this.#options.session.drop(this.#partial);
  }

  /** By its header, as the catalog does: qemu-img check takes a VDI that was cut short for sound. */
  async #refuseUnlessWhole(): Promise<void> {
    await using file = await open(this.#partial.path, 'r');
    const { size } = await file.stat();
    const head = Buffer.alloc(Math.min(size, HEAD_BYTES));
    await file.read(head, 0, head.length, 0);
    const wanted = this.#geometry?.bytes;
    const refusal =
      this.format === 'raw' && size !== wanted
        ? `it has ${size} bytes instead of ${wanted}`
        : refusalOf(head, size, this.format);
    if (refusal !== undefined) throw new ImageError('IMAGE_DAMAGED', `${this.name} is not whole: ${refusal}`);
  }

  async explain(): Promise<string | undefined> {
    const free = await this.#freeBytes().catch(() => undefined);
    return free !== undefined && free < FULL_BYTES ? `the folder of ${this.path} is full` : undefined;
  }

  /** What the finished image takes on this server, in bytes. */
  async allocatedBytes(): Promise<number> {
    return (await stat(this.path)).blocks * STAT_BLOCK_BYTES;
  }

  async #freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(dirname(this.path));
    return bavail * bsize;
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
