const ESCAPE = '\u001b';
/** An escape sequence of a terminal: ESC [ parameters letter, or ESC and one character (ECMA-48). */
const SEQUENCE = new RegExp(`${ESCAPE}(?:\\[[0-9;?=]*[A-Za-z@\`]|[^[])`, 'g');
/** Goes to another place of the screen: "ESC [ row ; column H". Of a full-screen menu it makes lines again. */
const MOVE = new RegExp(`${ESCAPE}\\[[0-9;]*H`, 'g');
/** A sequence whose end has not arrived yet. */
const UNFINISHED = new RegExp(`${ESCAPE}(?:\\[[0-9;?=]*)?$`);

/** Makes plain text of what a machine sends to a terminal, piece by piece: no escape
 * sequences, no carriage returns, a new line for each jump of the cursor. */
export class TerminalText {
  readonly #decoder = new TextDecoder();
  #unfinished = '';

  /** The text of one more piece, without what is not complete yet. */
  push(piece: Uint8Array): string {
    const text = this.#unfinished + this.#decoder.decode(piece, { stream: true });
    const tail = UNFINISHED.exec(text)?.index ?? text.length;
    this.#unfinished = text.slice(tail);
    return text.slice(0, tail).replaceAll(MOVE, '\n').replaceAll(SEQUENCE, '').replaceAll('\r', '');
  }
}
