/** What a person does on a keyboard, as far as dialogues know it. */
export type Key =
  /** One printable ASCII character. */
  | { readonly kind: 'character'; readonly character: string }
  | { readonly kind: 'enter' | 'backspace' | 'clear' | 'cancel' };

const CTRL_C = 0x03;
const BACKSPACE = 0x08;
const LINE_FEED = 0x0a;
const RETURN = 0x0d;
const CTRL_U = 0x15;
const ESCAPE = 0x1b;
const BLANK = 0x20;
const TILDE = 0x7e;
const DELETE = 0x7f;
const BRACKET = 0x5b;
const LETTER_O = 0x4f;
/** A sequence ends with a byte of this range (ECMA-48, 5.4). */
const FINAL_FIRST = 0x40;

type State = 'plain' | 'escape' | 'control-sequence' | 'single-shift';

/**
 * Makes keys of the bytes that a terminal sends. Function and arrow keys come as escape sequences and mean nothing here; the
 * bytes of one may come one by one over a serial line.
 */
export class KeyDecoder {
  #state: State = 'plain';
  #wasReturn = false;

  /** Whether an escape stands alone so far: the key, unless more follows at once. */
  get isPending(): boolean {
    return this.#state === 'escape';
  }

  push(bytes: Uint8Array): Key[] {
    return [...bytes].flatMap((byte) => this.#next(byte));
  }

  /** Nothing followed for a while. */
  flush(): Key[] {
    const wasPending = this.isPending;
    this.#state = 'plain';
    return wasPending ? [{ kind: 'cancel' }] : [];
  }

  #next(byte: number): Key[] {
    const isSecondHalf = this.#wasReturn && byte === LINE_FEED;
    this.#wasReturn = byte === RETURN;
    // Some terminals end a line with both: a second Enter would answer the next question.
    if (isSecondHalf) return [];
    switch (this.#state) {
      case 'plain':
        if (byte === ESCAPE) this.#state = 'escape';
        return plainKey(byte);
      case 'escape':
        return this.#afterEscape(byte);
      case 'control-sequence':
        if (byte >= FINAL_FIRST && byte <= TILDE && byte !== BRACKET) this.#state = 'plain';
        return [];
      case 'single-shift':
        this.#state = 'plain';
        return [];
    }
  }

  #afterEscape(byte: number): Key[] {
    if (byte === BRACKET) this.#state = 'control-sequence';
    else if (byte === LETTER_O) this.#state = 'single-shift';
    else if (byte === ESCAPE) return [{ kind: 'cancel' }];
    // A letter with Alt.
    else this.#state = 'plain';
    return [];
  }
}

function plainKey(byte: number): Key[] {
  if (byte === RETURN || byte === LINE_FEED) return [{ kind: 'enter' }];
  if (byte === DELETE || byte === BACKSPACE) return [{ kind: 'backspace' }];
  if (byte === CTRL_U) return [{ kind: 'clear' }];
  if (byte === CTRL_C) return [{ kind: 'cancel' }];
  if (byte < BLANK || byte > TILDE) return [];
  return [{ kind: 'character', character: String.fromCharCode(byte) }];
}
