/**
 * What a guest with the kernel's nbd module does: serves a file with the imaging client, attaches it with nbd-client,
 * and makes a file system on it; then the same disk over TLS, read-only. Debian's nbd-client knows TLS 1.2 only and must be
 * refused; the kernel gets to the disk through nbdkit.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RunResult, run } from '@diskferry/system/run';
import { createAuthority, issueCertificate } from '@diskferry/trust/authority';

const CLIENT = join(import.meta.dirname, '../../../client/src/main.ts');
const DISK = '/run/disk.raw';
const DEVICE = '/dev/nbd0';
const MOUNT = '/run/mounted';
const CERTIFICATES = '/run/certificates';
const MIB = 1024 * 1024;
const DISK_BYTES = 64 * MIB;
const PIECE_BYTES = 4 * MIB;
const START_TIMEOUT_MS = 120_000;
const POLL_MS = 200;
const PORT = 7000;

async function withClient(options: readonly string[], work: () => Promise<void>): Promise<void> {
  const words = [
    CLIENT,
    '--disk',
    DISK,
    '--listen=127.0.0.1',
    `--port=${PORT}`,
    '--control-port=0',
    ...options,
  ];
  const client = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'inherit'] });
  try {
    await listening(client);
    await work();
  } finally {
    const ended = new Promise((resolve) => client.once('exit', resolve));
    if (client.exitCode === null && client.kill()) await ended;
  }
}

async function listening(client: ChildProcess): Promise<void> {
  for (let waited = 0; waited < START_TIMEOUT_MS; waited += POLL_MS) {
    if (client.exitCode !== null)
      throw new Error(`the imaging client ended with exit code ${client.exitCode}`);
    if (await accepts()) return;
    await sleep(POLL_MS);
  }
  throw new Error(`the imaging client did not listen within ${START_TIMEOUT_MS / 1000} s`);
}

function accepts(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(PORT, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    }).once('error', () => resolve(false));
  });
}

function attach(...words: readonly string[]): Promise<RunResult> {
  return run(['nbd-client', '-block-size', '512', ...words, DEVICE]);
}

async function withDevice(attaching: Promise<RunResult>, work: () => Promise<void>): Promise<void> {
  await attaching;
  try {
    await work();
  } finally {
    await run(['nbd-client', '-d', DEVICE]);
  }
}

const PLAIN = ['-name', 'disk.raw', '127.0.0.1', String(PORT)] as const;

/** Serves the disk that needs TLS on a unix socket, for programs without it. */
async function withNbdkit(work: (socket: string) => Promise<void>): Promise<void> {
  const socket = '/run/nbdkit.sock';
  const uri = `nbds://localhost:${PORT}/disk.raw`;
  const words = ['--foreground', '--unix', socket, 'nbd', `uri=${uri}`, `tls-certificates=${CERTIFICATES}`];
  const nbdkit = spawn('nbdkit', words, { stdio: 'inherit' });
  try {
    for (let waited = 0; !existsSync(socket); waited += POLL_MS) {
      if (waited > START_TIMEOUT_MS || nbdkit.exitCode !== null) throw new Error('nbdkit does not listen');
      await sleep(POLL_MS);
    }
    await work(socket);
  } finally {
    const ended = new Promise((resolve) => nbdkit.once('exit', resolve));
    if (nbdkit.exitCode === null && nbdkit.kill()) await ended;
  }
}

/** Read to the end, not to a size: the device must have that of the disk. */
async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path);
  const buffer = Buffer.alloc(PIECE_BYTES);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length);
    if (bytesRead === 0) break;
    hash.update(buffer.subarray(0, bytesRead));
  }
  await file.close();
  return hash.digest('hex');
}

async function expectSameBytes(): Promise<void> {
  if ((await digestOf(DEVICE)) !== (await digestOf(DISK)))
    throw new Error(`${DEVICE} reads differently from the disk`);
}

async function writeFiles(content: Buffer): Promise<void> {
  await run(['mke2fs', '-q', '-F', '-t', 'ext4', DEVICE]);
  await run(['mount', DEVICE, MOUNT]);
  await writeFile(join(MOUNT, 'content'), content);
  await run(['fstrim', MOUNT]);
  await run(['umount', MOUNT]);
}

async function expectFile(content: Buffer): Promise<void> {
  await run(['mount', '-o', 'ro', DEVICE, MOUNT]);
  const read = await readFile(join(MOUNT, 'content'));
  await run(['umount', MOUNT]);
  if (!read.equals(content)) throw new Error('the file reads back differently');
}

/** The files that nbdkit and qemu take for TLS, under their usual names; returns nbd-client's words for them. */
async function makeCertificates(): Promise<readonly string[]> {
  const authority = await createAuthority('kernel-nbd test');
  const server = await issueCertificate(authority, {
    commonName: 'server',
    hosts: ['localhost', '127.0.0.1'],
  });
  const client = await issueCertificate(authority, { commonName: 'client', hosts: ['localhost'] });
  mkdirSync(CERTIFICATES);
  const files = {
    'ca-cert.pem': authority.certificate,
    'server-cert.pem': server.certificate,
    'server-key.pem': server.key,
    'client-cert.pem': client.certificate,
    'client-key.pem': client.key,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(CERTIFICATES, name), text);
  const path = (name: keyof typeof files): string => join(CERTIFICATES, name);
  return [
    `-certfile=${path('client-cert.pem')}`,
    `-keyfile=${path('client-key.pem')}`,
    `-cacertfile=${path('ca-cert.pem')}`,
    '-tlshostname=localhost',
  ];
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const content = randomBytes(5 * MIB);
mkdirSync(MOUNT);
await writeFile(DISK, randomBytes(DISK_BYTES));
await withClient(['--insecure', '--writable'], async () => {
  await withDevice(attach(...PLAIN), expectSameBytes);
  await withDevice(attach(...PLAIN), () => writeFiles(content));
  await withDevice(attach(...PLAIN), async () => {
    await expectFile(content);
    await expectSameBytes();
  });
});
say('plain: read, written and trimmed');
const tls = await makeCertificates();
await withClient(['--tls-certificates', CERTIFICATES], async () => {
  const cameIn = await attach(...tls, ...PLAIN).then(
    () => true,
    () => false,
  );
  if (cameIn) throw new Error('nbd-client came in by TLS 1.2');
  await withNbdkit((socket) =>
    withDevice(attach('-unix', socket), async () => {
      await expectSameBytes();
      await expectFile(content);
    }),
  );
});
say('the kernel reads and writes');
