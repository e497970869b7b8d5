import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { artefact } from '../artefacts.ts';
import { qemuVersion } from './qemu-devices.ts';

/** The media that a run tests, and on what. */
export interface MatrixMedia {
  /** Names the results: another build, or another QEMU, has others. */
  readonly key: string;
  /** Such as "6.1.0-56-amd64". */
  readonly kernel: string;
  readonly qemu: string;
  /** The modules of the first initrd. */
  readonly modules: ReadonlySet<string>;
}

const TESTED = ['diskferry.iso', 'pxe/vmlinuz', 'pxe/initrd', 'pxe/extra-drivers'] as const;
const KEY_LENGTH = 16;

export async function readMedia(): Promise<MatrixMedia> {
  const qemu = await qemuVersion();
  const hash = createHash('sha256').update(qemu);
  for (const name of TESTED) hash.update(await readFile(artefact(name)));
  const manifest = JSON.parse(await readFile(artefact('boot-image.manifest.json'), 'utf8')) as {
    readonly kernel: string;
    readonly drivers: readonly string[];
  };
  return {
    key: hash.digest('hex').slice(0, KEY_LENGTH),
    kernel: manifest.kernel,
    qemu,
    modules: new Set(manifest.drivers.map(moduleName)),
  };
}

/** The kernel takes dash and underscore for the same: modprobe(8). */
function moduleName(path: string): string {
  return basename(path, '.ko').replaceAll('-', '_');
}
