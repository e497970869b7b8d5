import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';

/** Attributes of a device by their path below it, such as "queue/rotational". */
export type Attributes = Readonly<Record<string, string | Buffer>>;

/** A sysfs tree on a real file system, for tests. */
export class MadeUpSysfs {
  readonly root = mkdtempSync(join(tmpdir(), 'diskferry-sysfs-'));

  /**
   * Adds a block device.
   *
   * @param path below /sys/devices, such as "pci0000:00/0000:00:1f.2/ata1/.../block/sda"
   * @param hardware whether it gets the link `device`, to the folder two above, as the kernel does
   */
  addBlockDevice(path: string, attributes: Attributes, { hardware = true } = {}): void {
    const folder = join(this.root, 'devices', path);
    this.#write(folder, { size: '2097152', ro: '0', removable: '0', ...attributes });
    if (hardware) this.#link(join(folder, 'device'), dirname(dirname(folder)));
    this.#link(join(this.root, 'block', basename(path)), folder);
    const { dev } = attributes;
    if (typeof dev === 'string') this.#link(join(this.root, 'dev/block', dev), folder);
  }

  /** Writes attributes of any folder below the root, such as "class/dmi/id". */
  addFolder(path: string, attributes: Attributes): void {
    this.#write(join(this.root, path), attributes);
  }

  addLink(path: string, target: string): void {
    this.#link(join(this.root, path), join(this.root, target));
  }

  /** What unplugging does. */
  removeBlockDevice(path: string): void {
    rmSync(join(this.root, 'block', basename(path)));
    rmSync(join(this.root, 'devices', path), { recursive: true });
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true });
  }

  #write(folder: string, attributes: Attributes): void {
    mkdirSync(folder, { recursive: true });
    for (const [name, value] of Object.entries(attributes)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), typeof value === 'string' ? `${value}\n` : value);
    }
  }

  #link(path: string, target: string): void {
    mkdirSync(dirname(path), { recursive: true });
    mkdirSync(target, { recursive: true });
    symlinkSync(relative(dirname(path), target), path);
  }
}
