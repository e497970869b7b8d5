import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { debuglog } from 'node:util';
import { BackOff } from '@diskferry/protocol/nbd/back-off';
import { DiskferryError } from '@diskferry/system/errors';
import type { Resource } from '@diskferry/system/resource';
import type { Session } from '@diskferry/system/session';
import { type DnsmasqNews, readNews } from './dnsmasq-log.ts';

const debug = debuglog('diskferry:pxe');

const PROGRAM = 'dnsmasq';
/** How long it may take to open its sockets, in ms; it takes some 10. */
const START_MS = 30_000;
/** Its last words are its reason to end. */
const KEPT_LINES = 5;

export interface DnsmasqOptions {
  readonly session: Session;
  readonly settingsFile: string;
  readonly onNews: (news: DnsmasqNews) => void;
  readonly onNote: (text: string) => void;
}

/** A dnsmasq that is started again whenever it ends. */
export interface SupervisedDnsmasq {
  /** Makes it read its file of hosts again, without a break. */
  reload(): void;
  /** Starts it anew, with changed settings; what is being loaded from it is broken off. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

interface Running {
  readonly child: ChildProcess;
  /** Its last words. */
  readonly ended: Promise<string>;
}

/**
 * Starts dnsmasq and keeps it running, with growing pauses if it ends again and again. It outlives each call, so it is not run
 * through `run()`; the session holds it.
 *
 * @throws {DiskferryError} `DNSMASQ_FAILED` when the first start fails, with its words
 */
export async function superviseDnsmasq(options: DnsmasqOptions): Promise<SupervisedDnsmasq> {
  const { session, settingsFile, onNote } = options;
  // By this word of its command line a clean-up finds it.
  const daemon: Resource = { kind: 'daemon', argument: markOf(settingsFile), name: PROGRAM };
  session.hold(daemon);
  const stop = new AbortController();
  const backOff = new BackOff();
  let running: Running | undefined = await launch(options);
  let askedToEnd = false;

  const startAgain = async (): Promise<Running | undefined> => {
    while (!stop.signal.aborted) {
      try {
        return await launch(options);
      } catch (error) {
        const delayMs = backOff.nextDelayMs();
        onNote(`${(error as Error).message}; trying again in ${seconds(delayMs)} s`);
        await sleep(delayMs, undefined, { signal: stop.signal }).catch(() => undefined);
      }
    }
    return undefined;
  };
  const supervise = async (): Promise<void> => {
    while (running !== undefined) {
      backOff.restored(performance.now());
      const words = await running.ended;
      running = undefined;
      if (stop.signal.aborted) return;
      if (!askedToEnd) {
        backOff.interrupted(performance.now());
        const delayMs = backOff.nextDelayMs();
        onNote(`dnsmasq ended (${words}); it starts again in ${seconds(delayMs)} s`);
        await sleep(delayMs, undefined, { signal: stop.signal }).catch(() => undefined);
      }
      askedToEnd = false;
      running = await startAgain();
    }
  };
  const supervised = supervise();

  return {
    reload: () => void running?.child.kill('SIGHUP'),
    restart: async () => {
      if (running === undefined) return;
      askedToEnd = true;
      const { ended, child } = running;
      child.kill();
      await ended;
    },
    close: async () => {
      stop.abort();
      await session.release(daemon);
      await supervised;
    },
  };
}

async function launch({ settingsFile, onNews }: DnsmasqOptions): Promise<Running> {
  // A process group of its own: Ctrl-C ends the work in our order.
  const child = spawn(PROGRAM, ['--keep-in-foreground', markOf(settingsFile)], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  const lines: string[] = [];
  let reportStarted: () => void;
  const started = new Promise<void>((resolve) => {
    reportStarted = resolve;
  });
  createInterface(child.stderr).on('line', (line) => {
    debug('%s', line);
    lines.push(line);
    if (lines.length > KEPT_LINES) lines.shift();
    const news = readNews(line);
    if (news?.kind === 'started') reportStarted();
    if (news !== undefined) onNews(news);
  });
  const ended = once(child, 'close').then(([code, signal]) => {
    const how = signal === null ? `exit code ${String(code)}` : String(signal);
    const complaint = lines.findLast((line) => !/^dnsmasq(-dhcp|-tftp)?\[\d+\]: /.test(line));
    return complaint === undefined ? how : `${how}: ${complaint}`;
  });
  ended.catch(() => undefined);
  const outcome = await Promise.race([
    started,
    ended,
    sleep(START_MS, 'it opened no sockets in time', { ref: false }),
  ]).catch((error: unknown) => (error as Error).message);
  if (outcome === undefined) return { child, ended };
  child.kill('SIGKILL');
  throw new DiskferryError('DNSMASQ_FAILED', `dnsmasq could not be started: ${outcome}`);
}

function markOf(settingsFile: string): string {
  return `--conf-file=${settingsFile}`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}
