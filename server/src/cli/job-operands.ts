import { extname } from 'node:path';
import { FORMAT_OF_ENDING } from './transfer-options.ts';

/** As catalog/image-words.ts has names, with a version or not. */
const IMAGE_WORD = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(?::\d+)?$/;
/** As registry/names.ts has names; a host with dots, colons or a port is none. */
const COMPUTER_WORD = /^(?:(?:\/dev\/)?([^@]+)@)?([A-Za-z0-9][A-Za-z0-9_-]{0,39})$/;
const ENDINGS = ['.qcow2', ...Object.keys(FORMAT_OF_ENDING)];

/** Whether a word can be an image of the catalog: it is no path, has no ending of image files, and is no address. */
export function isImageWord(text: string): boolean {
  return IMAGE_WORD.test(text) && !ENDINGS.includes(extname(text));
}

export interface ComputerWord {
  readonly computer: string;
  /** Its only one if absent. */
  readonly disk?: string;
}

/** Reads `sda@web1`, `/dev/sda@web1` or `web1`; undefined for what cannot be a registered computer. */
export function readComputerWord(text: string): ComputerWord | undefined {
  const [, disk, computer] = COMPUTER_WORD.exec(text) ?? [];
  if (computer === undefined) return undefined;
  return { computer, ...(disk === undefined ? {} : { disk }) };
}

/** The same where a word alone is an image: `sda@web1` only. */
export function readDiskWord(text: string): ComputerWord | undefined {
  return text.includes('@') ? readComputerWord(text) : undefined;
}
