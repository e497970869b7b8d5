import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';

/** A network of its own on this machine, for tests. */
export interface NetNamespace {
  /** Of the process that holds it: `ip` takes it in place of a name. */
  readonly pid: number;
  /** Words before a command that run it there. */
  readonly enter: readonly [string, ...string[]];
  /** Runs `ip` there. */
  ip(...words: string[]): Promise<void>;
}

/**
 * Opens a namespace without a name: it lasts as long as a process that does nothing, so that nothing of it can be left behind.
 */
export async function openNamespace(session: Session, name: string): Promise<NetNamespace> {
  const [program, ...words] = ['unshare', '--net', 'sh', '-c', 'echo there && exec sleep infinity'] as const;
  const child = spawn(program, words, {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  const { pid } = child;
  if (pid === undefined || child.exitCode !== null) throw new Error(`the network ${name} could not be made`);
  session.holdProcess(pid, `network ${name}`);
  child.unref();
  child.stdout.destroy();
  const enter = ['nsenter', `--net=/proc/${pid}/ns/net`] as const;
  const ip = async (...words: string[]): Promise<void> => {
    await run([...enter, 'ip', ...words]);
  };
  await ip('link', 'set', 'lo', 'up');
  return { pid, enter, ip };
}
