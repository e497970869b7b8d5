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
}

/** The servers that are compared: ours and those that people trust today, each on a TCP port of its own. */
export async function startServers(file: string, session: Session): Promise<RunningServer[]> {
  const pidFile = join(session.folder, 'nbd-server.pid');
  session.hold({ kind: 'daemon', argument: pidFile, name: 'nbd-server' });
  const commands: ((port: number) => { name: string; exportName: string; command: Command })[] = [
    (port) => ({
      name: 'diskferry imaging client',
      exportName: basename(file),
      command: [
        'dist/imaging-client',
        '--disk',
        file,
        '--listen=127.0.0.1',
        `--port=${port}`,
        '--control-port=0',
      ],
    }),
    (port) => ({
      name: 'nbdkit file',
      exportName: '',
      command: ['nbdkit', '--foreground', '--readonly', '--ipaddr=127.0.0.1', `--port=${port}`, 'file', file],
    }),
    (port) => ({
      name: 'qemu-nbd',
      exportName: '',
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
    }),
    (port) => ({
      name: 'nbd-server',
      exportName: '',
      // With -d it would stay in the foreground, and end after its first connection.
      command: ['nbd-server', `127.0.0.1:${port}`, file, '-r', '-C', '/dev/null', '-p', pidFile],
    }),
  ];
  const servers: RunningServer[] = [];
  for (const make of commands) {
    const port = await freePort();
    const { name, exportName, command } = make(port);
    await startServer(command, port, session);
    servers.push({ name, uri: `nbd://127.0.0.1:${port}/${exportName}` });
  }
  return servers;
}

async function startServer([program, ...args]: Command, port: number, session: Session): Promise<void> {
  const child = spawn(program, args, { stdio: 'ignore', detached: true });
  if (child.pid !== undefined) session.holdProcess(child.pid, program);
  child.unref();
  for (let waited = 0; waited < START_TIMEOUT_MS; waited += POLL_MS) {
    if (await accepts(port)) return;
    await sleep(POLL_MS);
  }
  throw new Error(`${program} did not listen on port ${port} within ${START_TIMEOUT_MS / 1000} s`);
}

async function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
