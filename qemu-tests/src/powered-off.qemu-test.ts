import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootProof } from '@diskferry/server/boot-proof/boot-proof';
import { startMachine } from '@diskferry/server/qemu/machine';
import { run } from '@diskferry/system/run';
import { openSession, type Session } from '@diskferry/system/session';
import { LOG_FOLDER } from './artefacts.ts';
import { withBootedClient } from './booted-client.ts';
import { captureDisk } from './diskferry.ts';
import { differencesOf } from './same-files.ts';
import { layoutOf } from './source-computers/layout.ts';
import { withMountedPartition } from './source-computers/mounted-partition.ts';
import { makeSourceComputer, ROOT_PASSWORD } from './source-computers/source-computer.ts';
import { sha256Of, workCopy, workFile } from './work-files.ts';

const BOOT_TIMEOUT_MS = 300_000;
const STEP_TIMEOUT_MS = 240_000;
const CAPTURE_TIMEOUT_MS = 900_000;
const KIND = 'bios-mbr';

/** Writes and renames files for ever; each tenth is brought to the disk, so that the journal is in use. */
const WRITER =
  'mkdir /root/w; i=0; while :; do i=$((i+1)); head -c 300000 /dev/urandom >/root/w/new; ' +
  'mv /root/w/new /root/w/file-$((i % 50)); [ $((i % 10)) -eq 0 ] && { sync; echo "written-$i"; }; done\n';

/** Boots the computer's own system from its disk, lets it write, and pulls the plug. */
async function powerOffWhileWriting(disk: string, session: Session): Promise<void> {
  await using machine = await startMachine(
    {
      name: 'powered-off-source',
      firmware: 'bios',
      disks: [{ path: disk, format: 'raw', bus: 'virtio' }],
    },
    { session, logFolder: LOG_FOLDER },
  );
  const prompt = await machine.waitForSerial(/ferryman login: /, { timeoutMs: BOOT_TIMEOUT_MS });
  machine.serial.type('root\n');
  const password = await machine.waitForSerial(/Password: /, {
    timeoutMs: STEP_TIMEOUT_MS,
    from: prompt.end,
  });
  machine.serial.type(`${ROOT_PASSWORD}\n`);
  const shell = await machine.waitForSerial(/root@ferryman:.*# /, {
    timeoutMs: STEP_TIMEOUT_MS,
    from: password.end,
  });
  machine.serial.type(WRITER);
  // The echo of the command line holds "written-$i": only numbers count.
  await machine.waitForSerial(/written-30/, { timeoutMs: STEP_TIMEOUT_MS, from: shell.end });
  await machine.kill();
}

test('a computer that lost power while it wrote is captured as its journal says, and not written', async () => {
  const computer = await makeSourceComputer(KIND);
  await using session = openSession('powered-off-test');
  const source = await workCopy(session, computer.diskPath, 'source.raw');
  const layout = layoutOf(KIND, source, computer.diskBytes);
  await powerOffWhileWriting(source, session);
  const { stdout: header } = await run(['dumpe2fs', '-h', `${source}?offset=${layout.root.start}`]);
  assert.match(header, /needs_recovery/, 'the test failed to leave a journal to be replayed');

  const before = await sha256Of(source);
  const image = await workFile(session, 'image.qcow2');
  await withBootedClient(
    { name: 'powered-off', session, disks: [{ path: source, format: 'raw', bus: 'ahci' }] },
    async (client) => captureDisk(client, 'sda', image, { timeoutMs: CAPTURE_TIMEOUT_MS }),
  );
  assert.equal(await sha256Of(source), before, 'the source was written');

  const replayed = await workCopy(session, source, 'replayed.raw');
  const partition = layout.root;
  await withMountedPartition({ disk: replayed, partition, options: 'rw,noatime' }, session, async () => {});
  assert.deepEqual(await differencesOf({ source: replayed, image, layout }, session), []);
  await bootProof({ path: image, format: 'qcow2' }, { session });
});
