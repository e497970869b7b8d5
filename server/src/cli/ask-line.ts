import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';

export interface AskOptions {
  readonly signal: AbortSignal;
  /** The terminal does not show what is typed. */
  readonly hidden?: boolean;
}

/**
 * Asks for a line on the terminal.
 *
 * @returns undefined if the terminal was closed (Ctrl-D)
 * @throws the reason of the signal, also for Ctrl-C
 */
export async function askLine(
  question: string,
  { signal, hidden = false }: AskOptions,
): Promise<string | undefined> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  // From here on the terminal shows nothing by itself, also to who types before the question is there.
  const output = hidden ? nowhere : process.stderr;
  const terminal = createInterface({ input: process.stdin, output, terminal: true });
  // It gets the key instead of us.
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  const closed = new Promise<undefined>((resolve) => terminal.once('close', () => resolve(undefined)));
  if (hidden) process.stderr.write(question);
  try {
    return await Promise.race([terminal.question(hidden ? '' : question, { signal }), closed]);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    terminal.close();
    if (hidden) process.stderr.write('\n');
  }
}
