import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { DiskAddress } from '@diskferry/protocol/disk-address';
import { connectNbd } from '@diskferry/protocol/nbd/client';
import type { ClientTls } from '@diskferry/protocol/nbd/client-tls';
import type { NbdDisk } from '@diskferry/protocol/nbd/nbd-disk';
import { NbdError } from '@diskferry/protocol/nbd/nbd-error';
import { connectReconnectingNbd } from '@diskferry/protocol/nbd/reconnecting-disk';
import { clientTlsOf, makeCertificates } from '../setup/certificates.ts';
import { connectionsClosed } from '../setup/connections-closed.ts';
import { type ImagingClient, startImagingClient } from '../setup/imaging-client.ts';
import { openFiles } from '../setup/process-facts.ts';
import { KIB, MIB, randomFile, scratchFolder } from '../setup/scratch.ts';
import { type Fault, type FaultProxy, startFaultProxy } from './fault-proxy.ts';

const SIZE = 4 * MIB;
const PIECE = 64 * KIB;
/**
 * A server that owes an answer and says nothing for so long is given up, in ms, where a test makes it silent. More than the
 * imaging client ever needs on a busy machine, as each loss counts here.
 */
const PATIENCE_MS = 3000;
const RECONNECT_LIMIT_MS = 60_000;
/** ECDSA signatures differ by some bytes from each other, and answers go into one TLS record or two. */
const SIGNATURE_SLACK = 64;

/** Where answers are cut, in bytes behind the handshake: headers and payloads. */
const STAGES = [1, 8, 20, 40, 1000, PIECE, PIECE + 30, 10 * PIECE + 7];
/** Fewer, as silence is noticed only after some time. */
const SILENT_STAGES = [8, 1000, PIECE + 30];

interface Scene {
  readonly client: ImagingClient;
  readonly proxy: FaultProxy;
  readonly file: string;
  /** The disk, through the proxy. */
  readonly address: DiskAddress;
  readonly tls: ClientTls | undefined;
}

async function scene(t: TestContext, { writable = false, secure = false } = {}): Promise<Scene> {
  const folder = scratchFolder(t);
  const file = randomFile(join(folder, 'disk.raw'), SIZE);
  const certificates = secure ? await makeCertificates(join(folder, 'certificates')) : undefined;
  const client = await startImagingClient(t, { disks: [file], writable, certificates });
  const proxy = await startFaultProxy(t, client);
  const { host, port } = proxy;
  const address = { transport: 'tcp', host, port, exportName: 'disk.raw' } as const;
  return { client, proxy, file, address, tls: certificates && clientTlsOf(certificates) };
}

/** Reads the whole disk, many pieces at once. */
async function readAll(disk: NbdDisk): Promise<Buffer> {
  const all = Buffer.alloc(SIZE);
  const starts = Array.from({ length: SIZE / PIECE }, (_, index) => index * PIECE);
  await Promise.all(starts.map((start) => disk.read(start, all.subarray(start, start + PIECE))));
  return all;
}

/** How many bytes each side has sent when the handshake is over. */
async function handshakeBytes({ proxy, address, tls }: Scene): Promise<{ sent: number; received: number }> {
  const disk = await connectNbd(address, { tls });
  const bytes = { sent: proxy.bytes('to the server'), received: proxy.bytes('to the client') };
  await disk.close();
  return bytes;
}

describe('the handshake is cut', () => {
  for (const secure of [false, true]) {
    for (const kind of ['reset', 'end'] as const) {
      test(`by a ${kind} at each stage, over ${secure ? 'TLS' : 'plain text'}: one error, then all works`, async (t) => {
        const place = await scene(t, { secure });
        const { client, proxy, address, tls } = place;
        const { sent, received } = await handshakeBytes(place);
        const last = secure ? SIGNATURE_SLACK : 1;
        const faults: Fault[] = [
          ...[0, 1, 9, 17, 18, 30, received >> 1, received - last].map(
            (afterBytes) => ({ kind, direction: 'to the client', afterBytes }) as const,
          ),
          ...[1, 3, 4, 12, 20, sent >> 1, sent - last].map(
            (afterBytes) => ({ kind, direction: 'to the server', afterBytes }) as const,
          ),
        ];
        const files = openFiles(client.pid);
        for (const fault of faults) {
          proxy.plan(fault);
          await assert.rejects(
            connectNbd(address, { tls, connectTimeoutMs: 10_000 }),
            (error) => error instanceof NbdError && /^NBD_(LOST|UNREACHABLE|REFUSED)$/.test(error.code),
            `after ${fault.afterBytes} bytes ${fault.direction}`,
          );
        }
        const disk = await connectNbd(address, { tls });
        assert.ok((await readAll(disk)).equals(readFileSync(place.file)));
        await disk.close();
        await connectionsClosed(client.pid, files);
      });
    }
  }

  test('by silence: the attempt ends in its time', async (t) => {
    const place = await scene(t);
    const { received } = await handshakeBytes(place);
    for (const afterBytes of [0, 10, received - 1]) {
      place.proxy.plan({ kind: 'silence', direction: 'to the client', afterBytes });
      await assert.rejects(
        connectNbd(place.address, { connectTimeoutMs: PATIENCE_MS }),
        (error) => error instanceof NbdError && error.code === 'NBD_UNREACHABLE',
      );
    }
  });
});

describe('a connection in use', () => {
  const options = { connectTimeoutMs: 10_000, reconnectLimitMs: RECONNECT_LIMIT_MS };
  /** A reset and an end are noticed at once: with little patience there, a busy machine would only add losses. */
  const optionsFor = (kind: Fault['kind']): typeof options & { readonly requestTimeoutMs?: number } =>
    kind === 'silence' ? { ...options, requestTimeoutMs: PATIENCE_MS } : options;

  for (const secure of [false, true]) {
    for (const kind of ['reset', 'end', 'silence'] as const) {
      test(`reads on after ${kind} at each stage of answers, over ${secure ? 'TLS' : 'plain text'}`, async (t) => {
        const place = await scene(t, { secure });
        const { proxy, address, tls, file } = place;
        const { received } = await handshakeBytes(place);
        const expected = readFileSync(file);
        const slack = secure ? SIGNATURE_SLACK : 0;
        for (const beyond of kind === 'silence' ? SILENT_STAGES : STAGES) {
          const events: string[] = [];
          proxy.plan({ kind, direction: 'to the client', afterBytes: received + slack + beyond });
          const disk = await connectReconnectingNbd(address, {
            ...optionsFor(kind),
            tls,
            onInterruption: ({ kind }) => events.push(kind),
          });
          const what = `${kind} ${beyond} bytes after the handshake`;
          assert.ok((await readAll(disk)).equals(expected), what);
          assert.deepEqual(events, ['lost', 'restored'], what);
          await disk.close();
        }
      });
    }
  }

  for (const kind of ['reset', 'end', 'silence'] as const) {
    test(`writes on after ${kind} in a request or in its data`, async (t) => {
      const place = await scene(t, { writable: true });
      const { proxy, address, file } = place;
      const { sent } = await handshakeBytes(place);
      const stages = kind === 'silence' ? [1, 28, PIECE] : [1, 27, 28, 500, PIECE, 3 * PIECE + 100];
      for (const [index, beyond] of stages.entries()) {
        proxy.plan({ kind, direction: 'to the server', afterBytes: sent + beyond });
        const disk = await connectReconnectingNbd(address, optionsFor(kind));
        const data = Buffer.alloc(PIECE, index + 1);
        const starts = Array.from({ length: 16 }, (_, place) => place * 2 * PIECE);
        await Promise.all(starts.map((start) => disk.write(start, data)));
        await disk.flush();
        await disk.close();
        const written = readFileSync(file);
        for (const start of starts)
          assert.ok(written.subarray(start, start + PIECE).equals(data), `${start}`);
      }
      const enough = 1 + 2 * stages.length;
      assert.ok(proxy.connections() >= enough, 'each fault made a second connection');
    });
  }

  test('comes back after several interruptions, one after the other', async (t) => {
    const place = await scene(t);
    const { received } = await handshakeBytes(place);
    const cut = { kind: 'reset', direction: 'to the client' } as const;
    place.proxy.plan(
      { ...cut, afterBytes: received + 3 * PIECE },
      { ...cut, afterBytes: 0 },
      { ...cut, afterBytes: 20 },
      { ...cut, afterBytes: received + PIECE },
      { ...cut, kind: 'silence', afterBytes: received + 100 },
    );
    const disk = await connectReconnectingNbd(place.address, optionsFor('silence'));
    assert.ok((await readAll(disk)).equals(readFileSync(place.file)));
    assert.equal(place.proxy.connections(), 1 + 6, 'the one that measured, five that were cut and one more');
    await disk.close();
  });

  test('that does not come back fails all requests once the limit has passed, with one reason', async (t) => {
    const place = await scene(t);
    const disk = await connectReconnectingNbd(place.address, { ...options, reconnectLimitMs: 1500 });
    place.proxy.setOpen(false);
    const reads = Array.from({ length: 20 }, (_, index) => disk.read(index * PIECE, Buffer.alloc(PIECE)));
    const reasons = (await Promise.allSettled(reads)).map((outcome) =>
      outcome.status === 'rejected' ? (outcome.reason as Error).message : 'it was read',
    );
    assert.equal(new Set(reasons).size, 1, reasons.join('\n'));
    assert.match(String(reasons[0]), /did not come back within 1\.5 s/);
    assert.equal(((await disk.lost) as NbdError).code, 'NBD_LOST');
    await disk.close();
  });
});
