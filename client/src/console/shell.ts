import { spawn } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import type { Terminal } from './terminal.ts';

/** Opens a shell on a terminal until somebody leaves it. */
export async function openShell({ path, lend }: Pick<Terminal, 'path' | 'lend'>): Promise<void> {
  await lend(async () => {
    // Opened anew: shells cannot do with a terminal that does not wait.
    const fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
    try {
      // With a session and a terminal of its own Ctrl-C ends what runs in the shell, and nothing else.
      const shell = spawn('setsid', ['-c', 'sh', '-l'], { stdio: [fd, fd, fd] });
      await new Promise<void>((resolve, reject) => {
        shell.on('error', reject);
        shell.on('exit', () => resolve());
      });
    } finally {
      closeSync(fd);
    }
  });
}
