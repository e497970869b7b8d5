import assert from 'node:assert/strict';

/** What a disk should hold. A discarded range may hold anything, but from its first read on always the same. */
export class Reference {
  readonly #bytes: Buffer;
  readonly #isDiscarded: Uint8Array;

  constructor(bytes: Buffer) {
    this.#bytes = Buffer.from(bytes);
    this.#isDiscarded = new Uint8Array(bytes.length);
  }

  write(offset: number, data: Uint8Array): void {
    this.#bytes.set(data, offset);
    this.#isDiscarded.fill(0, offset, offset + data.length);
  }

  zero(offset: number, length: number): void {
    this.#bytes.fill(0, offset, offset + length);
    this.#isDiscarded.fill(0, offset, offset + length);
  }

  discard(offset: number, length: number): void {
    this.#isDiscarded.fill(1, offset, offset + length);
  }

  /** @throws {assert.AssertionError} if that was not read */
  check(what: string, offset: number, data: Uint8Array): void {
    const end = offset + data.length;
    for (let place = this.#isDiscarded.indexOf(1, offset); place >= 0 && place < end; ) {
      this.#bytes[place] = data[place - offset] as number;
      this.#isDiscarded[place] = 0;
      place = this.#isDiscarded.indexOf(1, place + 1);
    }
    if (this.#bytes.subarray(offset, end).equals(data)) return;
    const wrong = data.findIndex((byte, index) => byte !== this.#bytes[offset + index]);
    assert.fail(`${what}: the first wrong byte is at ${offset + wrong}`);
  }

  /** @throws {assert.AssertionError} if the range does not read as zeros */
  checkZero(what: string, offset: number, length: number): void {
    for (let place = offset; place < offset + length; place++) {
      const isZero = this.#isDiscarded[place] === 1 || this.#bytes[place] === 0;
      assert.ok(
        isZero,
        `${what}: ${length} bytes at ${offset} are told to be zeros, but not the byte at ${place}`,
      );
    }
  }
}
