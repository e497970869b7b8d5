import { chmod, copyFile, mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

const EXECUTABLE = 0o100;

/** Copies a folder of scripts and configuration. Only the executable bit counts: a checkout keeps no other. */
export async function copyScripts(source: string, target: string): Promise<void> {
  for (const entry of await readdir(source, { withFileTypes: true })) {
    const from = join(source, entry.name);
    const to = join(target, entry.name);
    if (entry.isDirectory()) {
      await mkdir(to, { recursive: true });
      await copyScripts(from, to);
    } else {
      await copyFile(from, to);
      const { mode } = await stat(from);
      await chmod(to, (mode & EXECUTABLE) === 0 ? 0o644 : 0o755);
    }
  }
}
