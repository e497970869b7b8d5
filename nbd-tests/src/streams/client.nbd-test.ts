import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { connectNbd } from '@diskferry/protocol/nbd/client';
import { clientTlsOf, makeCertificates } from '../setup/certificates.ts';
import { startImagingClient } from '../setup/imaging-client.ts';
import { MIB, randomFile, scratchFolder } from '../setup/scratch.ts';
import { runRandomStream } from './random-stream.ts';
import { Reference } from './reference.ts';

/** In all streams together, but those over TLS. */
const OPERATIONS = Number(process.env['DISKFERRY_STREAM_OPERATIONS'] ?? 100_000);
const FIRST_SEED = Number(process.env['DISKFERRY_STREAM_SEED'] ?? 1);
const SIZE = 16 * MIB;

const STREAMS = [
  { connections: 1, sectorSize: 512, security: 'plain text', share: 0.2 },
  { connections: 2, sectorSize: 4096, security: 'plain text', share: 0.2 },
  { connections: 8, sectorSize: 512, security: 'plain text', share: 0.4 },
  { connections: 8, sectorSize: 4096, security: 'plain text', share: 0.2 },
  { connections: 4, sectorSize: 512, security: 'TLS', share: 0.1 },
] as const;

describe('random operations on a disk of the imaging client show no difference to a file', () => {
  for (const [index, { connections, sectorSize, security, share }] of STREAMS.entries()) {
    const name = `${connections} connections over ${security}, sectors of ${sectorSize} bytes`;
    test(name, async (t) => {
      const folder = scratchFolder(t);
      const file = randomFile(join(folder, 'disk.raw'), SIZE);
      const certificates =
        security === 'TLS' ? await makeCertificates(join(folder, 'certificates')) : undefined;
      const client = await startImagingClient(t, { disks: [file], writable: true, sectorSize, certificates });
      const tls = certificates === undefined ? undefined : clientTlsOf(certificates);
      const disks = await Promise.all(
        Array.from({ length: connections }, () => connectNbd(client.address(file), { tls })),
      );
      const reference = new Reference(readFileSync(file));
      const seed = FIRST_SEED + index;
      await runRandomStream({ seed, operations: OPERATIONS * share, disks, reference });
      await Promise.all(disks.map((disk) => disk.close()));
      reference.check(`the file after seed ${seed}`, 0, readFileSync(file));
      assert.ok(client.isRunning());
    });
  }
});
