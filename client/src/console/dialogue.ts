import { setTimeout as sleep } from 'node:timers/promises';
import type { Key } from './keys.ts';
import { AnswerError, CancelledError, type Conversation, type Question } from './question.ts';

/** Nobody is there any more, in ms: what is typed later is not the answer to a question of before. */
const IDLE_MS = 120_000;
/** Of an answer; the longest is three addresses. */
const MAX_ANSWER_LENGTH = 60;
/** A line that answers with noise, or with what we print ourselves, is not asked for ever. */
const MAX_WRONG_ANSWERS = 8;

export interface DialogueOptions {
  readonly say: (text: string) => void;
  /** Question or answer have changed: `isNew` where only the question stands there so far. */
  readonly onPrompt: (isNew: boolean) => void;
  readonly idleMs?: number;
}

/** Questions to the person at one terminal, and the line in which answers are typed. */
export class Dialogue implements Conversation {
  readonly #options: DialogueOptions;
  #question = '';
  #answer = '';
  #settle: { resolve(answer: string): void; reject(reason: Error): void } | undefined;

  constructor(options: DialogueOptions) {
    this.#options = options;
  }

  /** The question and what is typed so far; undefined while nothing is asked. */
  get prompt(): string | undefined {
    return this.#settle === undefined ? undefined : this.#question + this.#answer;
  }

  readonly say = (text: string): void => this.#options.say(text);

  readonly ask = async <T>({ text, suggestion, read }: Question<T>): Promise<T> => {
    this.#question = `${text}${suggestion === undefined ? '' : ` [${suggestion}]`}: `;
    for (let wrong = 0; wrong < MAX_WRONG_ANSWERS; wrong++) {
      const answer = (await this.#line()).trim();
      try {
        return read(answer === '' ? (suggestion ?? '') : answer);
      } catch (error) {
        if (!(error instanceof AnswerError)) throw error;
        this.say(`No: ${error.message}`);
      }
    }
    throw new CancelledError('too many wrong answers');
  };

  press(key: Key): void {
    if (this.#settle === undefined) return;
    const before = this.#answer;
    switch (key.kind) {
      case 'enter':
        return this.#settle.resolve(this.#answer);
      case 'cancel':
        return this.cancel();
      case 'backspace':
        this.#answer = before.slice(0, -1);
        break;
      case 'clear':
        this.#answer = '';
        break;
      case 'character':
        if (before.length < MAX_ANSWER_LENGTH) this.#answer += key.character;
    }
    if (this.#answer !== before) this.#options.onPrompt(false);
  }

  cancel(): void {
    this.#settle?.reject(new CancelledError('broken off'));
  }

  async #line(): Promise<string> {
    const { idleMs = IDLE_MS, onPrompt } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const answered = new AbortController();
    this.#answer = '';
    this.#settle = { resolve, reject };
    onPrompt(true);
    try {
      return await Promise.race([promise, giveUp(idleMs, answered.signal)]);
    } finally {
      answered.abort();
      const line = this.prompt ?? '';
      this.#settle = undefined;
      this.say(line);
    }
  }
}

async function giveUp(idleMs: number, signal: AbortSignal): Promise<never> {
  await sleep(idleMs, undefined, { signal, ref: false }).catch(() => {});
  throw new CancelledError('nobody answered');
}
