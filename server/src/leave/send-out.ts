import {
  type KexecPieceMessage,
  type LeaveMessage,
  type LeavingWord,
  MAX_KEXEC_PIECE_BYTES,
} from '@diskferry/protocol/control';
import type { FoundLinux } from './find-linux.ts';

/** So many wait for their answers at the same time: the way to the computer may be long. */
const PIECES_AT_ONCE = 16;

/** Says something to a computer and waits until it has agreed. */
export type Say = (message: Omit<LeaveMessage, 'id'> | Omit<KexecPieceMessage, 'id'>) => Promise<void>;

/** Has a computer leave its secondary OS. When it returns, the computer is on its way out. */
export async function sendOut(say: Say, how: Exclude<LeavingWord, 'kexec'>): Promise<void> {
  await say({ type: 'leave', how });
}

/** Sends a computer a Linux, and has it start that at once. */
export async function sendOutInto(say: Say, { kernel, initrd, commandLine }: FoundLinux): Promise<void> {
  const sendFile = async (file: 'kernel' | 'initrd', bytes: Buffer): Promise<void> => {
    const offsets = Array.from(
      { length: Math.ceil(bytes.length / MAX_KEXEC_PIECE_BYTES) },
      (_, index) => index * MAX_KEXEC_PIECE_BYTES,
    );
    const send = async (offset: number): Promise<void> => {
      const piece = bytes.subarray(offset, offset + MAX_KEXEC_PIECE_BYTES);
      await say({ type: 'kexec-piece', file, offset, data: piece.toString('base64') });
    };
    // It begins the file anew.
    const first = offsets.shift();
    if (first !== undefined) await send(first);
    const sender = async (): Promise<void> => {
      for (let offset = offsets.shift(); offset !== undefined; offset = offsets.shift()) await send(offset);
    };
    await Promise.all(Array.from({ length: PIECES_AT_ONCE }, sender));
  };
  await sendFile('kernel', kernel);
  await sendFile('initrd', initrd);
  await say({ type: 'leave', how: 'kexec', commandLine });
}
