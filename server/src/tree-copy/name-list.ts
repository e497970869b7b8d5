const FIRST_BYTES = 1024;

/** A queue of names in one buffer: a folder may have a million folders. */
export class NameList {
  #bytes = Buffer.alloc(0);
  #used = 0;
  #taken = 0;

  /** @param name with a zero at its end */
  add(name: Buffer): void {
    if (this.#used + name.length > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(FIRST_BYTES, 2 * (this.#used + name.length)));
      this.#bytes.copy(larger, 0, 0, this.#used);
      this.#bytes = larger;
    }
    this.#used += name.copy(this.#bytes, this.#used);
  }

  /** Returns the names in the order in which they came, with their zeros. */
  shift(): Buffer | undefined {
    if (this.#taken === this.#used) return undefined;
    const end = this.#bytes.indexOf(0, this.#taken) + 1;
    const name = this.#bytes.subarray(this.#taken, end);
    this.#taken = end;
    return name;
  }
}
