import { FileSystemError } from '../file-systems/errors.ts';

/** A value of LVM's text format: `name = value`, where a value is a number, a string in quotes or a list of them. */
export type LvmValue = number | string | readonly (number | string)[];

/** `name { ... }`; the metadata of a volume group is one at the top, and its order is kept. */
export interface LvmSection {
  readonly [name: string]: LvmValue | LvmSection;
}

/** A comment, a string with its escapes, a sign, or a word: names and numbers. */
const TOKEN = /#[^\n]*|"(?:[^"\\]|\\[\s\S])*"|[{}[\]=,]|[^\s{}[\]=,"#]+/g;
/** A metadata area of LVM has at most 4 GiB, but no sane group has more text than this, in characters. */
const MAX_TEXT_LENGTH = 64 * 1024 * 1024;

/**
 * Reads the text in which LVM keeps the description of a volume group (LVM2's lib/config/config.c).
 *
 * @throws {FileSystemError} `DAMAGED`
 */
export function parseLvmText(text: string): LvmSection {
  if (text.length > MAX_TEXT_LENGTH) throw damaged('it is too long');
  const words = [...text.matchAll(TOKEN)].map(([word]) => word).filter((word) => !word.startsWith('#'));
  const reader = new Reader(words);
  const section = reader.section();
  if (!reader.isAtEnd) throw damaged('a } is there without its {');
  return section;
}

class Reader {
  readonly #words: readonly string[];
  #next = 0;

  constructor(words: readonly string[]) {
    this.#words = words;
  }

  get isAtEnd(): boolean {
    return this.#next >= this.#words.length;
  }

  section(): LvmSection {
    const section: Record<string, LvmValue | LvmSection> = Object.create(null);
    while (!this.isAtEnd && this.#words[this.#next] !== '}') {
      const name = this.#take();
      const sign = this.#take();
      if (sign === '=') section[name] = this.#value();
      else if (sign === '{') section[name] = this.#inner();
      else throw damaged(`"${sign}" follows "${name}"`);
    }
    return section;
  }

  #inner(): LvmSection {
    const section = this.section();
    if (this.#take() !== '}') throw damaged('a section does not end');
    return section;
  }

  #value(): LvmValue {
    const word = this.#take();
    if (word !== '[') return scalar(word);
    const list: (number | string)[] = [];
    for (let item = this.#take(); item !== ']'; item = this.#take()) {
      if (item !== ',') list.push(scalar(item));
    }
    return list;
  }

  #take(): string {
    const word = this.#words[this.#next++];
    if (word === undefined) throw damaged('it ends too early');
    return word;
  }
}

function scalar(word: string): number | string {
  if (word.startsWith('"')) return word.slice(1, -1).replaceAll(/\\(["\\])/g, '$1');
  const number = Number(word);
  if (!Number.isFinite(number)) throw damaged(`"${word}" is no value`);
  return number;
}

/** Writes what `parseLvmText` reads. */
export function formatLvmText(section: LvmSection): string {
  return Object.entries(section)
    .map(([name, value]) =>
      isSection(value) ? `${name} {\n${formatLvmText(value)}}\n` : `${name} = ${formatValue(value)}\n`,
    )
    .join('');
}

function formatValue(value: LvmValue): string {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return `"${value.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
  return `[${value.map(formatValue).join(', ')}]`;
}

/** Tells a section from a value. */
export function isSection(value: LvmValue | LvmSection | undefined): value is LvmSection {
  return typeof value === 'object' && !Array.isArray(value);
}

/** The number of that name. Throws like `parseLvmText` when there is none. */
export function numberIn(section: LvmSection, name: string): number {
  const value = section[name];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw damaged(`it has no number "${name}"`);
  }
  return value;
}

/** The string of that name. Throws like `parseLvmText` when there is none. */
export function stringIn(section: LvmSection, name: string): string {
  const value = section[name];
  if (typeof value !== 'string') throw damaged(`it has no string "${name}"`);
  return value;
}

/** The list of that name; empty when there is none. */
export function listIn(section: LvmSection, name: string): readonly (number | string)[] {
  const value = section[name];
  return Array.isArray(value) ? (value as readonly (number | string)[]) : [];
}

/** The sections inside the section of that name; none when there is no such section. */
export function sectionsIn(section: LvmSection, name: string): (readonly [string, LvmSection])[] {
  const value = section[name];
  if (!isSection(value)) return [];
  return Object.entries(value).filter((entry): entry is [string, LvmSection] => isSection(entry[1]));
}

function damaged(what: string): FileSystemError {
  return new FileSystemError('DAMAGED', `the metadata of the volume group cannot be read: ${what}`);
}
