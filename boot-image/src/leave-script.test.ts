import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '@diskferry/system/run';
import { SOURCE_FOLDER } from './locations.ts';

const SCRIPTS = join(SOURCE_FOLDER, 'rootfs/usr/lib/diskferry');
/** Programs that would end this computer; each only says how it was called. */
const DANGEROUS = ['reboot', 'poweroff', 'sync'];

/** Calls the script with made-up programs. */
async function leave(word: string) {
  const programs = await mkdtemp(join(tmpdir(), 'diskferry-leave-'));
  try {
    for (const name of DANGEROUS) {
      await writeFile(join(programs, name), `#!/bin/sh\necho ${name} "$@"\n`);
      await chmod(join(programs, name), 0o755);
    }
    // Nothing else is to be found: what the script needs besides is part of the shell.
    const { stdout, stderr, exitCode } = await run(['/bin/sh', join(SCRIPTS, 'leave'), word], {
      env: { PATH: programs },
      okExitCodes: [0, 1, 2],
    });
    return { stdout, stderr, exitCode };
  } finally {
    await rm(programs, { recursive: true });
  }
}

test('disks are brought up to date before the computer restarts, goes off or starts another kernel', async () => {
  assert.equal((await leave('reboot')).stdout, 'sync\nreboot\n');
  assert.equal((await leave('power-off')).stdout, 'sync\npoweroff\n');
  assert.equal((await leave('prepare-kexec')).stdout, 'sync\n', 'the client starts the other kernel itself');
});

test('a word that it does not know does nothing', async () => {
  assert.deepEqual(await leave('explode'), {
    stdout: '',
    stderr: 'leave: unknown word "explode"\n',
    exitCode: 2,
  });
});

test('the key for a shell is there only if the kernel command line says so', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'diskferry-shell-'));
  try {
    const options = async (words: string): Promise<string> => {
      await writeFile(join(folder, 'cmdline'), `${words}\n`);
      const sourced = ['kernel-command-line.sh', 'client-options.sh'].map(
        (name) => `. '${join(SCRIPTS, name)}'`,
      );
      const env = { KERNEL_COMMAND_LINE: join(folder, 'cmdline'), SETTINGS: folder };
      const { stdout } = await run(['sh', '-c', `${sourced.join('; ')}; client_options`], { env });
      return stdout.replaceAll('\n', ' ').trim();
    };
    assert.equal(await options('quiet'), '');
    assert.equal(await options('diskferry.shell'), '--allow-shell');
    assert.equal(await options('diskferry.insecure diskferry.shell'), '--allow-shell --insecure');
  } finally {
    await rm(folder, { recursive: true });
  }
});
