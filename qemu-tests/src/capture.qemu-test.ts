import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootProof } from '@diskferry/server/boot-proof/boot-proof';
import { openSession } from '@diskferry/system/session';
import { withBootedClient } from './booted-client.ts';
import { captureDisk } from './diskferry.ts';
import { differencesOf } from './same-files.ts';
import { layoutOf } from './source-computers/layout.ts';
import { makeSourceComputer } from './source-computers/source-computer.ts';
import { sha256Of, workCopy, workFile } from './work-files.ts';

/** Some 100 s on an idle machine. */
const CAPTURE_TIMEOUT_MS = 900_000;
/** How much larger than the source's files an image may be. */
const MOST_OVERHEAD = 1.15;

const COMPUTERS = [
  { kind: 'bios-mbr', medium: 'cd', bus: 'ahci', disk: 'sda' },
  { kind: 'uefi-gpt', medium: 'usb-stick', bus: 'nvme', disk: 'nvme0n1' },
] as const;

for (const { kind, medium, bus, disk } of COMPUTERS) {
  test(`a ${kind} computer is captured into a small image that boots`, async (context) => {
    const onProgress = (line: string) => context.diagnostic(line);
    const computer = await makeSourceComputer(kind, { onProgress });
    await using session = openSession('capture-test');
    const source = await workCopy(session, computer.diskPath, `${kind}.raw`);
    const before = await sha256Of(source);
    const image = await workFile(session, `${kind}.qcow2`);

    const report = await withBootedClient(
      {
        name: `capture-${kind}`,
        session,
        medium,
        firmware: computer.firmware,
        disks: [{ path: source, format: 'raw', bus }],
      },
      async (client) => captureDisk(client, disk, image, { timeoutMs: CAPTURE_TIMEOUT_MS }),
    );
    const { usedBytes, sourceBytesRead, elapsedMs } = report;
    context.diagnostic(`${usedBytes} bytes of files, ${sourceBytesRead} bytes read, in ${elapsedMs} ms`);

    assert.equal(await sha256Of(source), before, 'the source was written');
    assert.equal(report.virtualSize, computer.diskBytes);
    assert.ok(
      report.allocatedBytes <= MOST_OVERHEAD * computer.usedBytes,
      `the image takes ${report.allocatedBytes} bytes for ${computer.usedBytes} bytes of files`,
    );
    const layout = layoutOf(kind, source, computer.diskBytes);
    assert.deepEqual(await differencesOf({ source, image, layout }, session), []);

    const imageBefore = await sha256Of(image);
    const proof = await bootProof({ path: image, format: 'qcow2' }, { session, onProgress });
    assert.equal(proof.firmware, computer.firmware);
    assert.equal(await sha256Of(image), imageBefore, 'the boot proof wrote into the image');
    context.diagnostic(`login prompt after ${proof.seconds} s, redo log ${proof.redoLogBytes} bytes`);
  });
}
