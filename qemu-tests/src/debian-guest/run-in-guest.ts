import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { startMachine } from '@diskferry/server/qemu/machine';
import { run } from '@diskferry/system/run';
import { openSession } from '@diskferry/system/session';
import { LOG_FOLDER } from '../artefacts.ts';
import { debianArchive } from '../source-computers/debian-archive.ts';
import { EMULATION_WORD } from '../source-computers/emulation.ts';
import { layoutOf } from '../source-computers/layout.ts';
import { makeSourceComputer } from '../source-computers/source-computer.ts';

/** What a program of a minute takes in an emulated guest on a busy machine. */
const TIMEOUT_MS = 800_000;
const MEMORY_MB = 1024;
const KIND = 'bios-mbr';
const SCRIPT = join(import.meta.dirname, 'init.sh');

/**
 * Runs a program of this folder in a virtual machine with Debian's kernel, for what the kernel of this host may lack.
 * The guest sees the files of the host, read-only, with changes in its memory; it has no network but itself. Resolves
 * when the program has ended with success and printed `expected`.
 *
 * @param name names the machine and the program, NAME.ts
 */
export async function runInDebianGuest(name: string, expected: RegExp, context: TestContext): Promise<void> {
  const onProgress = (line: string) => context.diagnostic(line);
  const computer = await makeSourceComputer(KIND, { onProgress });
  await using session = openSession(`${name}-test`);
  const archive = await debianArchive({ session, signal: undefined, onProgress });
  const members = ['--wildcards', './boot/vmlinuz-*', './boot/initrd.img-*'];
  await run(['tar', '--extract', '--file', archive, '--directory', session.folder, ...members]);
  const { stdout } = await run(['ls', join(session.folder, 'boot')]);
  const [initrd, kernel] = stdout.trim().split('\n') as [string, string];
  const boot = (file: string) => ({ kind: 'file', path: join(session.folder, 'boot', file) }) as const;
  session.hold({ kind: 'directory', path: join(session.folder, 'boot') });
  session.hold(boot(initrd));
  session.hold(boot(kernel));

  const { rootUuid } = layoutOf(KIND, computer.diskPath, computer.diskBytes);
  // A disk of its own carries the script, because the kernel's command line is too short for it.
  const script = `${session.folder}/script`;
  session.hold({ kind: 'file', path: script });
  await run(['dd', `if=${SCRIPT}`, `of=${script}`, 'bs=64K', 'conv=sync', 'status=none']);
  const size = (await readFile(SCRIPT)).length;
  const command = `head -c ${size} /dev/vdb >/dev/shm.sh; . /dev/shm.sh`;
  const program = join(import.meta.dirname, `${name}.ts`);
  await using machine = await startMachine(
    {
      name,
      firmware: 'bios',
      memoryMb: MEMORY_MB,
      kernel: boot(kernel).path,
      initrd: boot(initrd).path,
      append: `root=UUID=${rootUuid} ro console=ttyS0 ${EMULATION_WORD} init=/bin/sh -- -c "${command}" sh ${process.execPath} ${program}`,
      disks: [
        { path: computer.diskPath, format: 'raw', bus: 'virtio', snapshot: true },
        { path: script, format: 'raw', bus: 'virtio', readOnly: true },
      ],
      extraArguments: [
        '-virtfs',
        'local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap',
      ],
    },
    { session, logFolder: LOG_FOLDER },
  );
  const bound = { timeoutMs: TIMEOUT_MS, signal: context.signal, hopeless: /ended with exit code [1-9]/ };
  await machine.waitForSerial(/guest command ended with exit code 0/, bound);
  await machine.waitForSerial(expected, bound);
}
