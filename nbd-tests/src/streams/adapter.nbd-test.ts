import { attach, sourceOf } from '../setup/simulated-disk.ts';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { assertNothingIsLeft } from '@diskferry/server-adapter/testing/leftovers';
import { makeCertificates, pinnedTo } from '../setup/certificates.ts';
import { startImagingClient } from '../setup/imaging-client.ts';
import { missing, notRoot } from '../setup/programs.ts';
import { MIB, randomFile, scratchFolder } from '../setup/scratch.ts';
import { openBlockDevice } from './block-device-disk.ts';
import { runRandomStream } from './random-stream.ts';
import { Reference } from './reference.ts';

/** Of each stream: far slower than those without a kernel between. */
const OPERATIONS = Math.ceil(Number(process.env['DISKFERRY_STREAM_OPERATIONS'] ?? 100_000) / 80);
const SEED = 101;
const SIZE = 16 * MIB;

const skip = notRoot || missing('blkdiscard', 'blockdev');

describe('random operations on a simulated disk show no difference to a file', { skip }, () => {
  afterEach(assertNothingIsLeft);

  test('copy-on-write, and the source stays as it was', async (t) => {
    const file = randomFile(join(scratchFolder(t), 'disk.raw'), SIZE);
    const client = await startImagingClient(t, { disks: [file] });
    const before = readFileSync(file);
    const simulated = await attach(t, sourceOf(client, file));
    const disk = await openBlockDevice(t, simulated.device, simulated);
    const reference = new Reference(before);
    await runRandomStream({ seed: SEED, operations: OPERATIONS, disks: [disk], reference });
    const whole = Buffer.alloc(SIZE);
    await disk.read(0, whole);
    reference.check(`the device after seed ${SEED}`, 0, whole);
    await disk.close();
    await simulated.detach();
    new Reference(before).check('the source', 0, readFileSync(file));
  });

  test('written over TLS with a grant', async (t) => {
    const folder = scratchFolder(t);
    const file = randomFile(join(folder, 'disk.raw'), SIZE);
    const certificates = await makeCertificates(join(folder, 'certificates'));
    const client = await startImagingClient(t, { disks: [file], sectorSize: 4096, certificates });
    const reference = new Reference(readFileSync(file));
    const simulated = await attach(
      t,
      { ...sourceOf(client, file), security: pinnedTo(certificates) },
      { mode: 'write', purpose: { job: 'random stream', description: 'the test writes at random' } },
    );
    const disk = await openBlockDevice(t, simulated.device, simulated);
    await runRandomStream({ seed: SEED + 1, operations: OPERATIONS, disks: [disk], reference });
    await disk.close();
    await simulated.detach();
    reference.check(`the file after seed ${SEED + 1}`, 0, readFileSync(file));
  });
});
