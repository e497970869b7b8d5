/**
 * The base of all errors that diskferry throws on purpose. `code` is stable and meant for programs,
 * `message` is a sentence for people that says what to do where that is known.
 */
export class DiskferryError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The command line or its arguments are wrong: nothing was tried. Exit code 2. */
export class UsageError extends DiskferryError {
  constructor(message: string) {
    super('USAGE', message);
  }
}

/** The sentence of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
