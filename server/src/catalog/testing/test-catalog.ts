import { sessionsFolder } from '@diskferry/server-adapter/testing/own-sessions';
import assert from 'node:assert/strict';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext } from 'node:test';
import type { ImageFormat } from '@diskferry/server-adapter/simulated-disk';
import { run } from '@diskferry/system/run';
import { extendPath } from '@diskferry/system/tools';
import type { Database } from '../../database/database.ts';
import { EventLog } from '../../events/event-log.ts';
import { Catalog } from '../catalog.ts';
import type { Location } from '../locations.ts';

extendPath();
after(() => rmSync(sessionsFolder, { recursive: true, force: true }));

export interface TestCatalog {
  readonly database: Database;
  readonly events: EventLog;
  readonly catalog: Catalog;
  /** A folder for the test, not a location itself. */
  readonly folder: string;
  /** `folder/images` */
  readonly location: Location;
  /** The files of the location without its marker, hidden ones too. */
  readonly files: () => string[];
  /** Makes a small image with contents in the location, and returns its name there. */
  readonly makeFile: (name: string, format?: ImageFormat) => Promise<string>;
  /** The kinds of all events of now. */
  readonly eventKinds: () => Promise<string[]>;
  /** Another server on the same database. */
  readonly otherServer: (name: string) => Catalog;
  /** Mounts a small file system of its own at a folder of that name, as a share is; with the options of tmpfs. */
  readonly mountShare: (name: string, options?: string) => Promise<string>;
}

/** A catalog with one location, in a folder that goes with the test. */
export async function openTestCatalog(t: TestContext, database: Database): Promise<TestCatalog> {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-catalog-'));
  const shares: string[] = [];
  t.after(async () => {
    for (const share of shares) await unmountShare(share);
    rmSync(folder, { recursive: true, force: true });
    assert.deepEqual(readdirSync(sessionsFolder), []);
  });
  const images = join(folder, 'images');
  mkdirSync(images);
  const events = new EventLog(database);
  const catalog = new Catalog({ database, events, server: 'server-1' });
  const location = await catalog.locations.add({ name: 'main', folder: images });
  return {
    database,
    events,
    catalog,
    folder,
    location,
    files: () => filesOf(images),
    async makeFile(name, format = 'qcow2') {
      await makeImage(join(images, name), format);
      return name;
    },
    eventKinds: async () => (await events.list()).map(({ kind }) => kind),
    async mountShare(name, options = 'size=4m') {
      const share = join(folder, name);
      mkdirSync(share, { recursive: true });
      await run(['mount', '-t', 'tmpfs', '-o', options, 'test-share', share]);
      shares.push(share);
      return share;
    },
    otherServer: (name) => new Catalog({ database, events, server: name }),
  };
}

/** Unmounts what may be unmounted already. */
export async function unmountShare(folder: string): Promise<void> {
  await run(['umount', folder], { okExitCodes: [0, 32] });
}

/** The files of a folder without the marker of a location. */
export function filesOf(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name !== '.diskferry-location')
    .toSorted();
}

const MIB = 1024 * 1024;
/** What is on the disks: enough to notice a changed byte, and no more. */
const CONTENT = Buffer.from('a disk of a test '.repeat(4096)).subarray(0, 64 * 1024);

/** A virtual disk of 8 MiB with something on it. */
export async function makeImage(path: string, format: ImageFormat): Promise<void> {
  const raw = `${path}.content`;
  writeFileSync(raw, CONTENT);
  truncateSync(raw, 8 * MIB);
  if (format === 'raw') copyFileSync(raw, path);
  else await run(['qemu-img', 'convert', '-f', 'raw', '-O', format, raw, path]);
  rmSync(raw);
}
