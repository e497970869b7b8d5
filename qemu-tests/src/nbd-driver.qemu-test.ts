import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startMachine } from '@diskferry/server/qemu/machine';
import { run } from '@diskferry/system/run';
import { openSession } from '@diskferry/system/session';
import { LOG_FOLDER } from './artefacts.ts';
import { debianArchive } from './source-computers/debian-archive.ts';
import { layoutOf } from './source-computers/layout.ts';
import { makeSourceComputer } from './source-computers/source-computer.ts';

const TIMEOUT_MS = 300_000;
const KIND = 'bios-mbr';
const SCRIPT = join(import.meta.dirname, 'nbd-driver-guest.sh');
const PROGRAM = join(import.meta.dirname, 'nbd-driver-guest.ts');

test('the nbd loop-back driver attaches, writes and detaches on a kernel that has the module', async (context) => {
  const onProgress = (line: string) => context.diagnostic(line);
  const computer = await makeSourceComputer(KIND, { onProgress });
  await using session = openSession('nbd-driver-test');
  const archive = await debianArchive({ session, signal: undefined, onProgress });
  const members = ['--wildcards', './boot/vmlinuz-*', './boot/initrd.img-*'];
  await run(['tar', '--extract', '--file', archive, '--directory', session.folder, ...members]);
  const { stdout } = await run(['ls', join(session.folder, 'boot')]);
  const [initrd, kernel] = stdout.trim().split('\n') as [string, string];
  const boot = (name: string) => ({ kind: 'file', path: join(session.folder, 'boot', name) }) as const;
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
  await using machine = await startMachine(
    {
      name: 'nbd-driver',
      firmware: 'bios',
      memoryMb: 1024,
      kernel: boot(kernel).path,
      initrd: boot(initrd).path,
      append: `root=UUID=${rootUuid} ro console=ttyS0 init=/bin/sh -- -c "${command}" sh ${process.execPath} ${PROGRAM}`,
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
  const bound = { timeoutMs: TIMEOUT_MS, signal: context.signal };
  await machine.waitForSerial(/guest command ended with exit code 0/, bound);
  await machine.waitForSerial(/the nbd driver works/, bound);
});
