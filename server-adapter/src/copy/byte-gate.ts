/** Lets work with a limited number of bytes run at once; the rest waits in its order. */
export class ByteGate {
  #free: number;
  readonly #waiting: { readonly bytes: number; readonly enter: () => void }[] = [];

  /** @param bytes as much as the largest piece of work at least */
  constructor(bytes: number) {
    this.#free = bytes;
  }

  async run<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    if (this.#waiting.length > 0 || this.#free < bytes) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push({ bytes, enter: resolve });
      await promise;
    } else {
      this.#free -= bytes;
    }
    try {
      return await work();
    } finally {
      this.#free += bytes;
      this.#letIn();
    }
  }

  #letIn(): void {
    for (
      let next = this.#waiting[0];
      next !== undefined && next.bytes <= this.#free;
      next = this.#waiting[0]
    ) {
      this.#waiting.shift();
      this.#free -= next.bytes;
      next.enter();
    }
  }
}
