/**
 * The program of one adapter process: it serves one simulated disk to the kernel. It shares its event loop with
 * nothing that reads the disk, and its end harms that disk only. It obeys the messages of `adapter/messages.ts`,
 * lives on when its parent ends, and ends when its disk is unmounted or on SIGTERM, in both cases after a flush.
 */
import { messageOf } from '@diskferry/system/errors';
import type { Work } from './adapter/disk-work.ts';
import type {
  AnswerTo,
  FromAdapter,
  Question,
  QuestionType,
  ToAdapter,
  TroubleCode,
} from './adapter/messages.ts';
import { type ServedDisk, serveDisk } from './adapter/serve-disk.ts';

let served: Promise<ServedDisk> | undefined;
/** Aborted when the process shall end before its disk is ready. */
const starting = new AbortController();
/** Questions that are not answered yet, by their numbers. */
const underWay = new Map<number, AbortController>();
/** How often progress is told, in ms. */
const PROGRESS_MS = 250;

process.on('message', (message) => void receive(message as ToAdapter));
process.on('SIGTERM', () => void stop());
process.on('disconnect', () => {
  // The parent died before it said what to serve, so it has not written down more than this process.
  if (served === undefined) process.exit(1);
});

async function receive(message: ToAdapter): Promise<void> {
  switch (message.type) {
    case 'start':
      return start(message);
    case 'stop-waiting':
      return (await served)?.stopWaiting();
    case 'ask':
      return answer(message);
    case 'give-up':
      return underWay.get(message.id)?.abort(new Error('the work was interrupted'));
  }
}

async function start({ config }: Extract<ToAdapter, { type: 'start' }>): Promise<void> {
  served = serveDisk(config, { signal: starting.signal, onTrouble: report, onNotice: notice });
  try {
    const disk = await served;
    tell({ type: 'ready', geometry: disk.geometry });
    await disk.ended;
    process.exit(0);
  } catch (error) {
    log(messageOf(error));
    tell({ type: 'failed', code: codeOf(error), message: messageOf(error) }, () => process.exit(1));
  }
}

function report(code: TroubleCode, message: string): void {
  log(message);
  tell({ type: 'trouble', code, message });
}

function notice(message: string): void {
  log(message);
  tell({ type: 'notice', message });
}

async function answer({ id, question }: Extract<ToAdapter, { type: 'ask' }>): Promise<void> {
  const work = new AbortController();
  underWay.set(id, work);
  let bytes: number | undefined;
  const progress = setInterval(() => {
    if (bytes !== undefined) tell({ type: 'progress', id, bytes });
  }, PROGRESS_MS);
  try {
    const disk = await served;
    if (disk === undefined) throw new Error('the adapter serves no disk yet');
    const found = await answerTo(disk, question, { signal: work.signal, onProgress: (now) => (bytes = now) });
    tell({ type: 'answer', id, answer: found });
  } catch (error) {
    tell({ type: 'refusal', id, code: codeOf(error), message: messageOf(error) });
  } finally {
    clearInterval(progress);
    underWay.delete(id);
  }
}

function answerTo(disk: ServedDisk, question: Question, work: Work): Promise<AnswerTo<QuestionType>> {
  switch (question.type) {
    case 'counters':
      return Promise.resolve(disk.counters());
    case 'flush':
      return disk.flush().then(() => null);
    case 'discarded':
      return Promise.resolve(disk.work.discarded(question.range));
    case 'offer':
      return disk.work.offer(question.socketPath);
    case 'withdraw':
      return disk.work.withdraw(question).then(() => null);
    case 'copy':
      return disk.work.copy(question, work);
    case 'zero':
      return disk.work.zero(question, work);
  }
}

async function stop(): Promise<void> {
  starting.abort();
  try {
    await (await served)?.close();
  } catch (error) {
    log(`the last flush failed: ${messageOf(error)}`);
  }
  process.exit(0);
}

function tell(message: FromAdapter, done?: () => void): void {
  if (!process.connected || process.send === undefined) return done?.();
  process.send(message, undefined, {}, () => done?.());
}

function codeOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : 'ADAPTER_FAILED';
}

/** Standard error is the log file in the session's folder. */
function log(line: string): void {
  process.stderr.write(`${new Date().toISOString()} ${line}\n`);
}
