import type { GrantStatus } from '../status.ts';
import { AnswerError, CancelledError, type Conversation } from './question.ts';

/**
 * Asks whether it is meant; twice where a job writes to a disk, which would be left without a system.
 *
 * @param what such as "Power off"
 * @throws {CancelledError} where it is not
 */
export async function confirmLeaving(
  { ask, say }: Conversation,
  what: string,
  grants: () => readonly GrantStatus[],
): Promise<void> {
  await ask({ text: `${what}: sure? Type yes`, suggestion: 'no', read: readYes });
  // Asked for now: a job may have begun while the first question stood there.
  const [grant] = grants();
  if (grant === undefined) return;
  const { job, disk } = grant;
  say(`Job ${job} WRITES to ${disk}. If it is broken off here, that disk holds no whole system.`);
  await ask({
    text: `${what} all the same: type the name of the disk, ${disk}`,
    suggestion: 'no',
    read: (text) => readDisk(text, disk),
  });
}

function readYes(text: string): void {
  if (isNo(text)) throw new CancelledError('no');
  if (text.toLowerCase() !== 'yes') throw new AnswerError('type yes or no, in full');
}

function readDisk(text: string, disk: string): void {
  if (isNo(text)) throw new CancelledError('no');
  if (text !== disk) throw new AnswerError(`type ${disk}, or no`);
}

function isNo(text: string): boolean {
  return ['no', 'n'].includes(text.toLowerCase());
}
