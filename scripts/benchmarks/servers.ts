import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@diskferry/server/qemu/free-port';
import type { Command } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';

const START_TIMEOUT_MS = 20_000;
const POLL_MS = 50;

/** An NBD server that runs on this machine, serving one file. */
export interface RunningServer {
  readonly name: string;
  readonly uri: string;
  readonly pid: number;
  /** How fast we must be against it, in a sequential read. */
  readonly target?: number;
}

interface ServerCommand {
  readonly name: string;
  readonly exportName: string;
  readonly target?: number;
  readonly command: Command;
}

/** The imaging client as it is on the boot media. */
export async function startImagingClient(
  file: string,
  session: Session,
  security: readonly string[] = ['--insecure'],
): Promise<RunningServer> {
  const words = [
    `--disk=${file}`,
    '--listen=127.0.0.1',
    `--control-port=${await freePort()}`,
    `--state=${session.folder}`,
  ];
  return start(session, (port) => ({
    name: 'diskferry imaging client',
    exportName: basename(file),
    command: ['dist/imaging-client', ...words, ...security, `--port=${port}`],
  }));
}

/** The servers that people trust today, each on a TCP port of its own, and ours as the first. */
export async function startServers(file: string, session: Session): Promise<RunningServer[]> {
  const pidFile = join(session.folder, 'nbd-server.pid');
  session.hold({ kind: 'daemon', argument: pidFile, name: 'nbd-server' });
  return [
    await startImagingClient(file, session),
    await startNbdkit(file, session),
    await start(session, (port) => ({
      name: 'qemu-nbd',
      exportName: '',
      target: 1.2,
      command: [
        'qemu-nbd',
        '--read-only',
        '--persistent',
        '--shared=16',
        '--format=raw',
        '--bind=127.0.0.1',
        `--port=${port}`,
        file,
      ],
    })),
    await start(session, (port) => ({
      name: 'nbd-server',
      exportName: '',
      target: 1.2,
      // With -d it would stay in the foreground, and end after its first connection.
      command: ['nbd-server', `127.0.0.1:${port}`, file, '-r', '-C', '/dev/null', '-p', pidFile],
    })),
  ];
}

export async function startNbdkit(
  file: string,
  session: Session,
  security: readonly string[] = [],
): Promise<RunningServer> {
  const words = ['--foreground', '--readonly', '--ipaddr=127.0.0.1', ...security];
  return start(session, (port) => ({
    name: 'nbdkit file',
    exportName: '',
    target: 0.9,
    command: ['nbdkit', ...words, `--port=${port}`, 'file', file],
  }));
}

async function start(session: Session, make: (port: number) => ServerCommand): Promise<RunningServer> {
  const port = await freePort();
  const { name, exportName, target, command } = make(port);
  const [program, ...args] = command;
  const child = spawn(program, args, { stdio: 'ignore', detached: true });
  if (child.pid === undefined) throw new Error(`${program} could not be started`);
  session.holdProcess(child.pid, program);
  child.unref();
  for (let waited = 0; !(await accepts(port)); waited += POLL_MS) {
    if (waited > START_TIMEOUT_MS) {
      throw new Error(`${program} did not listen on port ${port} within ${START_TIMEOUT_MS / 1000} s`);
    }
    await sleep(POLL_MS);
  }
  const uri = `nbd://127.0.0.1:${port}/${exportName}`;
  return { name, uri, pid: child.pid, ...(target === undefined ? {} : { target }) };
}

async function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
