import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CellResult } from './cell-result.ts';

/** The results of one build of the media, a JSON file a cell: so a run goes on where another one was broken off. */
export class ResultStore {
  readonly folder: string;

  /** @param key names the media: those of another build have results of their own */
  constructor(parent: string, key: string) {
    this.folder = join(parent, key);
    mkdirSync(this.folder, { recursive: true });
  }

  read(cell: string): CellResult | undefined {
    const path = this.#path(cell);
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as CellResult) : undefined;
  }

  /** Replaces what is there, at once: whoever reads finds all of it or nothing. */
  write(cell: string, result: CellResult): void {
    const halfMade = `${this.#path(cell)}.new`;
    writeFileSync(halfMade, `${JSON.stringify(result, undefined, 2)}\n`);
    renameSync(halfMade, this.#path(cell));
  }

  #path(cell: string): string {
    return join(this.folder, `${cell}.json`);
  }
}
