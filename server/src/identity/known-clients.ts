import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatHostAddress, type HostAddress } from '@diskferry/protocol/disk-address';
import * as read from '@diskferry/protocol/json-shape';
import { isFingerprint } from '@diskferry/trust/fingerprint';
import { DiskferryError, messageOf } from '@diskferry/system/errors';
import { stateFolder } from '../serve/state-folder.ts';

const FOLDER_OF_OWNER = 0o700;
const OWNER_ONLY = 0o600;

/** An imaging client with which this server has paired. */
export interface KnownClient extends HostAddress {
  /** Port of its control channel; `port` is that of its disks. */
  readonly controlPort: number;
  /** Of its key. */
  readonly fingerprint: string;
}

const readClient = read.object<KnownClient>({
  host: read.text,
  port: read.count,
  controlPort: read.count,
  fingerprint: (value, path) => {
    const text = read.text(value, path);
    if (!isFingerprint(text)) throw new read.JsonShapeError(path, 'a fingerprint', value);
    return text;
  },
});

/**
 * The client that is known at an address. One file each, so that programs that pair at the same time do not lose each
 * other's.
 *
 * @throws {DiskferryError} `STATE_DAMAGED`, `STATE_DENIED`
 */
export function findKnownClient(address: HostAddress, folder = clientsFolder()): KnownClient | undefined {
  const path = join(folder, fileName(address));
  try {
    return readClient(JSON.parse(readFileSync(path, 'utf8')), path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code === 'EACCES') {
      throw new DiskferryError('STATE_DENIED', `this user may not read ${path}; try: sudo diskferry …`, {
        cause: error,
      });
    }
    throw new DiskferryError(
      'STATE_DAMAGED',
      `${path} cannot be used: ${messageOf(error)}; remove it and pair again with --pair CODE`,
      { cause: error },
    );
  }
}

/** Believes this key at this address from now on, and no other. */
export function rememberClient(client: KnownClient, folder = clientsFolder()): void {
  mkdirSync(folder, { recursive: true, mode: FOLDER_OF_OWNER });
  const path = join(folder, fileName(client));
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(client, undefined, 2)}\n`, { mode: OWNER_ONLY });
  renameSync(temporary, path);
}

function clientsFolder(): string {
  return join(stateFolder(), 'clients');
}

/** No part of a host's name can leave the folder. */
function fileName({ host, port }: HostAddress): string {
  return `${encodeURIComponent(formatHostAddress({ host: host.toLowerCase(), port }))}.json`;
}
