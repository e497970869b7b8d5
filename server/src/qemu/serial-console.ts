import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { TerminalText } from './terminal-text.ts';

/** How much text is kept; a boot prints some 30 KB, a chatty firmware some 300 KB. */
const MAX_KEPT_CHARACTERS = 4_000_000;

/** Where the last lines are looked for. */
const MAX_QUOTED_CHARACTERS = 20_000;
const MAX_LINE_CHARACTERS = 200;

export interface SerialMatch {
  readonly match: RegExpExecArray;
  /** Where the match ends; give it as `from` to look only at what comes later. */
  readonly end: number;
}

/** What a machine prints on its serial line, as plain text, and what is typed there. */
export class SerialConsole {
  readonly #changed = new EventEmitter();
  readonly #terminal = new TerminalText();
  readonly #socket: Socket;
  #text = '';
  /** How many characters were dropped in front of `#text`. */
  #dropped = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#changed.setMaxListeners(0);
    socket.on('data', (piece: Buffer) => this.#receive(piece));
  }

  /** The end of the text so far: what comes later is new. */
  get end(): number {
    return this.#dropped + this.#text.length;
  }

  find(pattern: RegExp, from = 0): SerialMatch | undefined {
    const start = Math.max(from - this.#dropped, 0);
    const match = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, '')).exec(
      this.#text.slice(start),
    );
    if (match === null) return undefined;
    return { match, end: this.#dropped + start + match.index + match[0].length };
  }

  /** The last lines with letters or figures, cut to a readable length: menus draw frames and repeat themselves. */
  lastLines(count: number): string[] {
    return this.#text
      .slice(-MAX_QUOTED_CHARACTERS)
      .split('\n')
      .map((line) => line.trim().slice(0, MAX_LINE_CHARACTERS))
      .filter((line, index, lines) => /[\p{L}\p{N}]/u.test(line) && line !== lines[index - 1])
      .slice(-count);
  }

  /** Types text, as it is: a line ends with "\n". */
  type(text: string): void {
    this.#socket.write(text);
  }

  /** Calls `listener` after each change until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#changed.on('change', listener);
    return () => this.#changed.off('change', listener);
  }

  #receive(piece: Uint8Array): void {
    this.#text += this.#terminal.push(piece);
    const excess = this.#text.length - MAX_KEPT_CHARACTERS;
    if (excess > 0) {
      this.#text = this.#text.slice(excess);
      this.#dropped += excess;
    }
    this.#changed.emit('change');
  }
}
