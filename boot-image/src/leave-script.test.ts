import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '@diskferry/system/run';
import { SOURCE_FOLDER } from './locations.ts';

const SCRIPTS = join(SOURCE_FOLDER, 'rootfs/usr/lib/diskferry');
/** Programs that would end this computer; each only says how it was called. */
const DANGEROUS = ['reboot', 'poweroff', 'kexec', 'sync'];

/** Calls the script with made-up programs, and without those named. */
async function leave(word: string, { without = '', kexecFiles = true } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'diskferry-leave-'));
  try {
    const [programs, kernels] = [join(folder, 'bin'), join(folder, 'kexec')];
    await mkdir(programs);
    await mkdir(kernels);
    for (const name of DANGEROUS.filter((name) => name !== without)) {
      await writeFile(join(programs, name), `#!/bin/sh\necho ${name} "$@"\n`);
      await chmod(join(programs, name), 0o755);
    }
    for (const name of kexecFiles ? ['kernel', 'initrd'] : []) await writeFile(join(kernels, name), name);
    if (kexecFiles) await writeFile(join(kernels, 'command-line'), 'root=/dev/sda1 quiet\n');
    // Nothing else is to be found: what the script needs besides is part of the shell, or cat.
    await writeFile(join(programs, 'cat'), '#!/bin/sh\nexec /bin/cat "$@"\n');
    await chmod(join(programs, 'cat'), 0o755);
    const env = { PATH: programs, KEXEC_FOLDER: kernels };
    const { stdout, stderr, exitCode } = await run(['/bin/sh', join(SCRIPTS, 'leave'), word], {
      env,
      okExitCodes: [0, 1, 2],
    });
    return {
      stdout: stdout.replaceAll(kernels, 'FOLDER'),
      stderr: stderr.replaceAll(kernels, 'FOLDER'),
      exitCode,
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('disks are brought up to date before the computer restarts or goes off', async () => {
  assert.equal((await leave('reboot')).stdout, 'sync\nreboot\n');
  assert.equal((await leave('power-off')).stdout, 'sync\npoweroff\n');
});

test('a kernel is started with its initrd and its words', async () => {
  assert.equal(
    (await leave('kexec')).stdout,
    'kexec --load FOLDER/kernel --initrd=FOLDER/initrd --command-line=root=/dev/sda1 quiet\nsync\nkexec --exec\n',
  );
});

test('without the program or without a kernel the computer stays, and says why', async () => {
  assert.deepEqual(await leave('kexec', { without: 'kexec' }), {
    stdout: '',
    stderr: 'this medium has no program "kexec"\n',
    exitCode: 1,
  });
  const { stdout, stderr, exitCode } = await leave('kexec', { kexecFiles: false });
  assert.deepEqual(
    { stdout, stderr, exitCode },
    { stdout: '', stderr: 'FOLDER/kernel is missing\n', exitCode: 1 },
  );
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
