/**
 * Readers of parsed JSON: each checks a value that a peer sent and gives it back typed, or says by its path
 * which field is wrong. Fields that are not known are dropped, so that a newer peer is understood.
 */
export type Reader<T> = (value: unknown, path: string) => T;

/** A field of a JSON value has the wrong shape. */
export class JsonShapeError extends Error {
  constructor(path: string, expected: string, value: unknown) {
    super(`${path} is not ${expected} but ${describe(value)}`);
    this.name = 'JsonShapeError';
  }
}

/** A field reader that lets the field be absent or null. */
interface OptionalReader<T> extends Reader<T | undefined> {
  readonly optional: true;
}

type Fields<T> = {
  readonly [Key in keyof T]-?: undefined extends T[Key]
    ? OptionalReader<Exclude<T[Key], undefined>>
    : Reader<T[Key]>;
};

export const text: Reader<string> = (value, path) => {
  if (typeof value !== 'string') throw new JsonShapeError(path, 'a text', value);
  return value;
};

export const flag: Reader<boolean> = (value, path) => {
  if (typeof value !== 'boolean') throw new JsonShapeError(path, 'true or false', value);
  return value;
};

/** A whole number from 0 to 2^53 - 1. */
export const count: Reader<number> = (value, path) => {
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw new JsonShapeError(path, 'a whole number from 0', value);
  }
  return value as number;
};

export function oneOf<const T extends string>(words: readonly T[]): Reader<T> {
  return (value, path) => {
    const word = words.find((word) => word === value);
    if (word === undefined) throw new JsonShapeError(path, `one of ${words.join(', ')}`, value);
    return word;
  };
}

export function list<T>(item: Reader<T>): Reader<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) throw new JsonShapeError(path, 'a list', value);
    return value.map((element, index) => item(element, `${path}[${index}]`));
  };
}

export function optional<T>(reader: Reader<T>): OptionalReader<T> {
  const read = (value: unknown, path: string): T | undefined =>
    value === undefined || value === null ? undefined : reader(value, path);
  return Object.assign(read, { optional: true as const });
}

export function object<T extends object>(fields: Fields<T>): Reader<T> {
  const entries = Object.entries<Reader<unknown>>(fields as Readonly<Record<string, Reader<unknown>>>);
  return (value, path) => {
    const source = asObject(value, path);
    const result: Record<string, unknown> = {};
    for (const [key, reader] of entries) {
      const field = reader(Object.hasOwn(source, key) ? source[key] : undefined, `${path}.${key}`);
      if (field !== undefined) result[key] = field;
    }
    return result as T;
  };
}

/** The value as an object whose fields are still to be read. */
export function asObject(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new JsonShapeError(path, 'an object', value);
  }
  return value as Record<string, unknown>;
}

/** Enough of a wrong value to find it, never all of what a peer sent. */
const MAX_QUOTED = 60;

function describe(value: unknown): string {
  if (value === undefined) return 'absent';
  const json = JSON.stringify(value);
  return json.length > MAX_QUOTED ? `${json.slice(0, MAX_QUOTED)}…` : json;
}
