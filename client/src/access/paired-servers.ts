import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { debuglog } from 'node:util';
import * as read from '@diskferry/protocol/json-shape';
import { isFingerprint } from '@diskferry/trust/fingerprint';

const debug = debuglog('diskferry:access');

const FILE = 'paired-servers.json';
const OWNER_ONLY = 0o600;
const FOLDER_OF_OWNER = 0o700;

/** A server that knew the pairing code. */
export interface PairedServer {
  readonly fingerprint: string;
  /** Address from which it paired, for people. */
  readonly address: string;
}

const readServers = read.object<{ readonly servers: readonly PairedServer[] }>({
  servers: read.list(
    read.object<PairedServer>({
      fingerprint: (value, path) => {
        const text = read.text(value, path);
        if (!isFingerprint(text)) throw new read.JsonShapeError(path, 'a fingerprint', value);
        return text;
      },
      address: read.text,
    }),
  ),
});

/** The keys of servers that have paired, kept in a file so that they are known after a restart of this program. */
export class PairedServers {
  readonly #path: string;
  readonly #servers: Map<string, PairedServer>;

  constructor(stateFolder: string) {
    this.#path = join(stateFolder, FILE);
    this.#servers = new Map(load(this.#path).map((server) => [server.fingerprint, server]));
  }

  has(fingerprint: string): boolean {
    return this.#servers.has(fingerprint);
  }

  /** In the order in which they paired. */
  list(): readonly PairedServer[] {
    return [...this.#servers.values()];
  }

  /** Believes this key from now on. The file is complete or as before, whatever happens. */
  add(server: PairedServer): void {
    this.#servers.delete(server.fingerprint);
    this.#servers.set(server.fingerprint, server);
    mkdirSync(dirname(this.#path), { recursive: true, mode: FOLDER_OF_OWNER });
    const temporary = `${this.#path}.${process.pid}`;
    writeFileSync(temporary, `${JSON.stringify({ servers: this.list() }, undefined, 2)}\n`, {
      mode: OWNER_ONLY,
    });
    renameSync(temporary, this.#path);
  }
}

/** Nobody is believed where the file is missing or damaged: pairing again is the worst that follows. */
function load(path: string): readonly PairedServer[] {
  try {
    return readServers(JSON.parse(readFileSync(path, 'utf8')), FILE).servers;
  } catch (error) {
    debug('%s: %s', path, error instanceof Error ? error.message : error);
    return [];
  }
}
