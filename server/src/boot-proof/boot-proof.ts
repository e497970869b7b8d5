import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readPartitionTable } from '@diskferry/server-adapter/partitions/read-partition-table';
import { tableSectorSize } from '@diskferry/server-adapter/partitions/table-sector-size';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import { type Machine, startMachine } from '../qemu/machine.ts';
import type { MachineDescription } from '../qemu/machine-description.ts';
import { BOOT_CODE_BYTES, firmwareOf } from './firmware-of.ts';
import { type DiskReader, type Image, withImageReader } from './image-reader.ts';

const DEFAULT_TIMEOUT_MS = 300_000;
const LOGIN_PROMPT = /login:/;
/** What firmware, GRUB and Linux say when they give up for good. */
const HOPELESS = /No bootable device|Kernel panic - not syncing.*\n|grub rescue>/;
const MEMORY_MB = 512;
const QUOTED_LINES = 8;
/** What POSIX counts in `stat` (sys/stat.h, st_blocks). */
const BLOCK_BYTES = 512;

export interface BootProofOptions {
  readonly session: Session;
  /** By default what the partition table says. */
  readonly firmware?: 'bios' | 'uefi' | undefined;
  /** What the serial line must show; a login prompt by default. */
  readonly expect?: RegExp;
  /** 5 minutes by default. */
  readonly timeoutMs?: number;
  /** `ahci` by default, because every system has its driver; `nvme` for sectors of 4096 bytes, which that does not know. */
  readonly bus?: 'ahci' | 'nvme' | 'virtio' | 'virtio-scsi';
  /** By default those for which its partition table is made. */
  readonly sectorSize?: 512 | 4096 | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (line: string) => void;
}

export interface BootProof {
  readonly firmware: 'bios' | 'uefi';
  /** From power on to the expected words. */
  readonly seconds: number;
  /** What the system wrote while it started: into the redo log, not into the image. */
  readonly redoLogBytes: number;
  /** Of the serial line. */
  readonly lastLines: readonly string[];
}

/**
 * Proves that an image starts by itself: boots it in QEMU and waits for its login prompt on the serial line. The
 * image is only read; writes go to a redo log that is thrown away.
 *
 * @throws {DiskferryError} `MACHINE_SILENT`, `MACHINE_FAILED` or `MACHINE_ENDED`, with the last lines of the serial line
 */
export async function bootProof(image: Image, options: BootProofOptions): Promise<BootProof> {
  const { session, signal, onProgress = () => undefined } = options;
  const { firmware, sectorSize } = await shapeOf(image, options);
  const redoLog = { kind: 'file', path: join(session.folder, 'boot-proof.qcow2') } as const;
  session.hold(redoLog);
  try {
    const backing = ['-b', image.path, '-F', image.format] as const;
    await run(['qemu-img', 'create', '-q', '-f', 'qcow2', ...backing, redoLog.path], { signal });
    onProgress(`booting ${image.path} under ${firmware === 'uefi' ? 'UEFI' : 'BIOS'}`);
    await using machine = await startMachine(machineFor(redoLog.path, firmware, { ...options, sectorSize }), {
      session,
      signal,
    });
    return await waitForPrompt(machine, redoLog.path, { ...options, firmware });
  } finally {
    await session.release(redoLog);
  }
}

interface Shape {
  readonly firmware: 'bios' | 'uefi';
  readonly sectorSize: 512 | 4096;
}

/** What the partition table says where the options do not. The image is opened once: its server has one place. */
async function shapeOf(
  image: Image,
  { session, firmware, sectorSize, signal }: BootProofOptions,
): Promise<Shape> {
  if (firmware !== undefined && sectorSize !== undefined) return { firmware, sectorSize };
  return withImageReader(image, { session, sectorSize: sectorSize ?? 512, signal }, async (reader) => {
    const found = sectorSize ?? (await sectorSizeOf(reader));
    if (firmware !== undefined) return { firmware, sectorSize: found };
    const table = await readPartitionTable({
      size: reader.size,
      sectorSize: { logical: found, physical: found },
      read: async (offset, length) => reader.read(offset, length),
    });
    return { firmware: firmwareOf(table, await reader.read(0, BOOT_CODE_BYTES)), sectorSize: found };
  });
}

async function sectorSizeOf(reader: DiskReader): Promise<512 | 4096> {
  const { logical } = await tableSectorSize({
    size: reader.size,
    read: async (offset, bytes) => {
      bytes.set(await reader.read(offset, bytes.length));
    },
  });
  return logical === 4096 ? 4096 : 512;
}

function machineFor(
  redoLog: string,
  firmware: 'bios' | 'uefi',
  { sectorSize = 512, bus = sectorSize === 4096 ? 'nvme' : 'ahci' }: BootProofOptions,
): MachineDescription {
  return {
    name: 'boot-proof',
    firmware,
    memoryMb: MEMORY_MB,
    disks: [{ path: redoLog, format: 'qcow2', bus, sectorSize, unsafeCache: true }],
  };
}

async function waitForPrompt(
  machine: Machine,
  redoLog: string,
  {
    firmware,
    expect = LOGIN_PROMPT,
    timeoutMs = DEFAULT_TIMEOUT_MS,
    signal,
  }: BootProofOptions & { readonly firmware: 'bios' | 'uefi' },
): Promise<BootProof> {
  const began = performance.now();
  await machine.waitForSerial(expect, { timeoutMs, signal, hopeless: HOPELESS });
  const seconds = Math.round((performance.now() - began) / 100) / 10;
  const { blocks } = await stat(redoLog);
  return {
    firmware,
    seconds,
    redoLogBytes: blocks * BLOCK_BYTES,
    lastLines: machine.serial.lastLines(QUOTED_LINES),
  };
}
