import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { openSession, type Session } from '@diskferry/system/session';
import { run } from '@diskferry/system/run';
import type { CopyContext } from './file-system.ts';
import { mountWhenFree, whenFree } from './mount.ts';

/** What a root test of a driver works with; all of it is released when the test ends. */
export interface Workbench {
  readonly session: Session;
  readonly folder: string;
  /** Makes a sparse file of that many bytes and returns its path. */
  readonly file: (name: string, size: number) => string;
  /** Makes a loop device of a file and returns its path. */
  readonly loop: (file: string, options?: { sectorSize?: number; readOnly?: boolean }) => Promise<string>;
  /** Mounts a device until `unmount`, or until the test ends. */
  readonly mount: (device: string, options?: string) => Promise<string>;
  readonly unmount: (folder: string) => Promise<void>;
  readonly context: CopyContext;
  /** What the driver warned about. */
  readonly warnings: string[];
  /** What the driver reported as done, in bytes. */
  readonly progress: number[];
}

/** Sets up a workbench for one test. */
export function openWorkbench(test: TestContext, signal?: AbortSignal): Workbench {
  const session = openSession('test');
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-test-'));
  const warnings: string[] = [];
  const progress: number[] = [];
  const devices = new Map<string, string>();
  let mounts = 0;
  test.after(async () => {
    await session[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });
  return {
    session,
    folder,
    warnings,
    progress,
    context: {
      session,
      signal,
      zeroed: true,
      onProgress: (bytes) => progress.push(bytes),
      warn: (message) => warnings.push(message),
    },
    file: (name, size) => {
      const path = join(folder, name);
      const file = openSync(path, 'w');
      ftruncateSync(file, size);
      closeSync(file);
      return path;
    },
    loop: async (file, { sectorSize = 512, readOnly = false } = {}) => {
      session.hold({ kind: 'loop', backing: file });
      const options = [
        '--find',
        '--show',
        '--sector-size',
        String(sectorSize),
        ...(readOnly ? ['--read-only'] : []),
      ];
      const { stdout } = await run(['losetup', ...options, file]);
      return stdout.trim();
    },
    mount: async (device, options = 'noatime') => {
      const path = join(folder, `mnt-${mounts++}`);
      session.hold({ kind: 'mount', path });
      await run(['mkdir', path]);
      await mountWhenFree(['mount', '-o', options, device, path]);
      devices.set(path, device);
      return path;
    },
    unmount: async (path) => {
      await session.release({ kind: 'mount', path });
      const device = devices.get(path);
      if (device !== undefined) await whenFree(device);
    },
  };
}

/** Bytes that a sparse file really takes. */
export async function allocatedBytes(path: string): Promise<number> {
  return (await stat(path)).blocks * 512;
}
