import type { Picture, View } from '../screen.ts';
import { Dialogue } from './dialogue.ts';
import { type Key, KeyDecoder } from './keys.ts';
import { LogView } from './log-view.ts';
import { drawPage, LEAVE_PAGE } from './page-view.ts';
import { CancelledError, type Conversation } from './question.ts';
import type { Terminal } from './terminal.ts';

/** An escape that nothing follows for so long is the key, not the beginning of a sequence; in ms. */
const ESCAPE_MS = 150;
const BACKSPACE = '\b \b';

/** What a key does. */
export interface Action {
  /** A small letter. */
  readonly key: string;
  readonly label: string;
  /** @throws {CancelledError}, or what shall be told */
  readonly run: (conversation: Conversation, terminal: Pick<Terminal, 'path' | 'lend'>) => Promise<void>;
}

/** Shows the status on one terminal and does what is typed there. */
export class TerminalConsole implements View {
  readonly #terminal: Terminal;
  readonly #actions: readonly Action[];
  readonly #keys: readonly string[];
  readonly #decoder = new KeyDecoder();
  readonly #log: LogView;
  readonly #said: string[] = [];
  #picture: Picture | undefined;
  #dialogue: Dialogue | undefined;
  #isLent = false;
  /** How many characters of the answer stand on the line, where it is a log. */
  #echoed = '';
  #escape: NodeJS.Timeout | undefined;

  /** @param open gives the terminal, with where to bring what is typed there */
  constructor(open: (onInput: (bytes: Uint8Array) => void) => Terminal, actions: readonly Action[]) {
    this.#terminal = open((bytes) => this.#receive(bytes));
    this.#actions = actions;
    this.#keys = actions.map(({ key, label }) => `${key.toUpperCase()} ${label}`);
    this.#log = new LogView((text) => this.#printAround(text), this.#keys);
  }

  show(picture: Picture): void {
    this.#picture = picture;
    if (this.#isLent) return;
    if (this.#terminal.style === 'page') this.#draw();
    else this.#log.show(picture);
  }

  close(): void {
    clearTimeout(this.#escape);
    this.#dialogue?.cancel();
    if (this.#terminal.style === 'page') this.#terminal.write(LEAVE_PAGE);
    this.#terminal.close();
  }

  #receive(bytes: Uint8Array): void {
    clearTimeout(this.#escape);
    for (const key of this.#decoder.push(bytes)) this.#press(key);
    if (!this.#decoder.isPending) return;
    this.#escape = setTimeout(() => {
      for (const key of this.#decoder.flush()) this.#press(key);
    }, ESCAPE_MS).unref();
  }

  #press(key: Key): void {
    if (this.#dialogue !== undefined) return this.#dialogue.press(key);
    if (key.kind === 'enter') return this.#showAgain();
    if (key.kind !== 'character') return;
    const action = this.#actions.find(({ key: letter }) => letter === key.character.toLowerCase());
    if (action !== undefined) void this.#run(action);
  }

  #showAgain(): void {
    this.#said.length = 0;
    if (this.#picture === undefined) return;
    if (this.#terminal.style === 'page') this.#draw();
    else this.#log.printStatus(this.#picture);
  }

  /** Never rejects. */
  async #run({ run }: Action): Promise<void> {
    const dialogue = new Dialogue({
      say: (text) => this.#say(text),
      onPrompt: (isNew) => this.#prompt(isNew),
    });
    this.#dialogue = dialogue;
    this.#said.length = 0;
    try {
      await run(dialogue, { path: this.#terminal.path, lend: (borrower) => this.#lend(borrower) });
    } catch (error) {
      if (error instanceof CancelledError) this.#say('Nothing was changed.');
      else this.#say(`That failed: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      this.#dialogue = undefined;
      if (this.#terminal.style === 'page') this.#draw();
    }
  }

  async #lend(borrower: () => Promise<void>): Promise<void> {
    this.#isLent = true;
    if (this.#terminal.style === 'page') this.#terminal.write(LEAVE_PAGE);
    try {
      await this.#terminal.lend(borrower);
    } finally {
      this.#isLent = false;
      this.#showAgain();
    }
  }

  #say(text: string): void {
    if (this.#terminal.style === 'page') {
      this.#said.push(text);
      return this.#draw();
    }
    // The question and its answer stand there already.
    const isEcho = this.#echoed !== '' && text === this.#echoed;
    this.#echoed = '';
    this.#terminal.write(isEcho ? '\n' : `${text}\n`);
  }

  #prompt(isNew: boolean): void {
    if (this.#terminal.style === 'page') return this.#draw();
    const prompt = this.#dialogue?.prompt ?? '';
    const before = isNew ? '' : this.#echoed;
    const kept = prompt.startsWith(before) ? before : prompt;
    this.#terminal.write(BACKSPACE.repeat(before.length - kept.length) + prompt.slice(kept.length));
    this.#echoed = prompt;
  }

  /** Prints lines though a question may stand on the last one. */
  #printAround(text: string): void {
    const prompt = this.#dialogue?.prompt;
    this.#terminal.write(prompt === undefined ? text : `\n${text}${prompt}`);
  }

  #draw(): void {
    if (this.#picture === undefined || this.#isLent) return;
    const { size } = this.#terminal;
    const prompt = this.#dialogue?.prompt;
    this.#terminal.write(drawPage(this.#picture, { size, keys: this.#keys, said: this.#said, prompt }));
  }
}
