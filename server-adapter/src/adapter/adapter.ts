import { type ChildProcess, fork } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DiskferryError } from '@diskferry/system/errors';
import type { HeldResources } from '../held-resources.ts';
import type {
  AdapterConfig,
  AnswerTo,
  DiskGeometry,
  FromAdapter,
  Question,
  QuestionOf,
  QuestionType,
  ToAdapter,
} from './messages.ts';

const PROGRAM = join(import.meta.dirname, '..', 'adapter-process.ts');
/** How much of the adapter's log goes into an error message, in lines. */
const REPORTED_LOG_LINES = 5;

/** The adapter or its source failed; the message says how. Codes: `ADAPTER_FAILED`, `SOURCE_LOST`, `WRITE_FAILED`, or those of NbdError. */
export class AdapterError extends DiskferryError {}

export interface AskOptions {
  /** Called with how far the work is, in bytes. */
  readonly onProgress?: (bytes: number) => void;
  /** The adapter is told that nobody wants the answer any more. */
  readonly signal?: AbortSignal | undefined;
}

interface Pending {
  resolve(answer: AnswerTo<QuestionType>): void;
  reject(error: Error): void;
  readonly onProgress: ((bytes: number) => void) | undefined;
}

/** The parent's side of one adapter process. */
export class Adapter {
  /** Rejects when the process or its source fails; never resolves. */
  readonly failure: Promise<never>;
  readonly #child: ChildProcess;
  readonly #logPath: string;
  readonly #onNotice: (message: string) => void;
  readonly #fail: (error: AdapterError) => void;
  readonly #answers = new Map<number, Pending>();
  readonly #ready = Promise.withResolvers<DiskGeometry>();
  #sourceName = '';
  #endIsWanted = false;
  #nextId = 0;

  /**
   * Starts a process that waits for its configuration, in a process group of its own: Ctrl-C does not reach it.
   *
   * @param onNotice called with a sentence when the connection to the source is lost and tried again, or there again
   */
  constructor(held: HeldResources, logPath: string, onNotice: (message: string) => void) {
    this.#logPath = logPath;
    this.#onNotice = onNotice;
    const { promise, reject } = Promise.withResolvers<never>();
    this.failure = promise;
    this.#fail = reject;
    // A failure that nobody waits for is reported by the next operation on the disk, which fails too.
    promise.catch(() => {});
    this.#ready.promise.catch(() => {});
    this.#child = spawnAdapter(logPath);
    if (this.#child.pid !== undefined) held.holdProcess(this.#child.pid, 'diskferry adapter');
    this.#child.on('message', (message) => this.#receive(message as FromAdapter));
    this.#child.on('exit', (code, signal) =>
      this.#ended(`ended unexpectedly (${signal ?? `exit code ${code}`})`),
    );
    this.#child.on('error', (error) => this.#ended(`could not be started: ${error.message}`));
    // The parent may end while the adapter lives on.
    this.#child.unref();
    this.#child.channel?.unref();
  }

  /**
   * Connects the source and offers it on the channel.
   *
   * @throws {AdapterError} with the reason in a sentence
   */
  async start(config: AdapterConfig, signal?: AbortSignal): Promise<DiskGeometry> {
    this.#sourceName = config.sourceName;
    signal?.throwIfAborted();
    const giveUp = (): void => this.#ready.reject(signal?.reason as Error);
    signal?.addEventListener('abort', giveUp);
    try {
      return await this.#keepAlive(async () => {
        this.#send({ type: 'start', config });
        return this.#ready.promise;
      });
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
  }

  /**
   * Has the adapter do something and waits for its answer, or for the end of its work after the signal.
   *
   * @throws {AdapterError} when it cannot; the reason of the signal
   */
  async ask<Type extends QuestionType>(
    question: QuestionOf<Type>,
    { onProgress, signal }: AskOptions = {},
  ): Promise<AnswerTo<Type>> {
    signal?.throwIfAborted();
    const id = this.#nextId++;
    const giveUp = (): void => this.#giveUp(id);
    signal?.addEventListener('abort', giveUp);
    try {
      return await this.#keepAlive(async () => {
        const { promise, resolve, reject } = Promise.withResolvers<AnswerTo<Type>>();
        const pending = { resolve, reject, onProgress };
        this.#answers.set(id, pending);
        this.#send({ type: 'ask', id, question: question as Question });
        return promise.finally(() => this.#answers.delete(id));
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
  }

  /** From now on the disk fails where it would wait for a lost source. */
  stopWaiting(): void {
    if (this.#child.connected) this.#send({ type: 'stop-waiting' });
  }

  /** From now on the end of the process is no failure. */
  expectEnd(): void {
    this.#endIsWanted = true;
  }

  #giveUp(id: number): void {
    if (this.#child.connected) this.#send({ type: 'give-up', id });
  }

  /** An unreferenced channel would let the parent end in the middle of a question. */
  async #keepAlive<T>(work: () => Promise<T>): Promise<T> {
    this.#child.channel?.ref();
    try {
      return await work();
    } finally {
      if (this.#answers.size === 0) this.#child.channel?.unref();
    }
  }

  #send(message: ToAdapter): void {
    if (!this.#child.connected) return this.#ended('is gone');
    this.#child.send(message, (error) => {
      if (error !== null) this.#ended(`cannot be reached: ${error.message}`);
    });
  }

  #receive(message: FromAdapter): void {
    switch (message.type) {
      case 'ready':
        return this.#ready.resolve(message.geometry);
      case 'failed':
        return this.#ready.reject(new AdapterError(message.code, message.message));
      case 'notice':
        return this.#onNotice(message.message);
      case 'answer':
        return this.#answers.get(message.id)?.resolve(message.answer);
      case 'progress':
        return this.#answers.get(message.id)?.onProgress?.(message.bytes);
      case 'refusal':
        return this.#answers.get(message.id)?.reject(new AdapterError(message.code, message.message));
      case 'trouble':
        return this.#fail(new AdapterError(message.code, message.message));
    }
  }

  #ended(how: string): void {
    const log = lastLines(this.#logPath);
    const error = new AdapterError(
      'ADAPTER_FAILED',
      `the adapter process of ${this.#sourceName || 'a disk'} ${how}${log === '' ? '' : `; its log ends: ${log}`}`,
    );
    if (!this.#endIsWanted) this.#fail(error);
    this.#ready.reject(error);
    for (const answer of this.#answers.values()) answer.reject(error);
  }
}

function spawnAdapter(logPath: string): ChildProcess {
  const log = openSync(logPath, 'a');
  try {
    // Not through run(): the process outlives the call, and often this process too.
    return fork(PROGRAM, [], {
      detached: true,
      // A folder that is never unmounted.
      cwd: '/',
      execArgv: [],
      stdio: ['ignore', log, log, 'ipc'],
    });
  } finally {
    closeSync(log);
  }
}

function lastLines(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim().split('\n').slice(-REPORTED_LOG_LINES).join('\n');
  } catch {
    return '';
  }
}
