import { randomBytes } from 'node:crypto';
import { copyFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { extendPath } from '@diskferry/system/tools';
import { openDatabase } from '../../database/database.ts';
import { EventLog } from '../../events/event-log.ts';
import { Catalog } from '../catalog.ts';
import type { Location } from '../locations.ts';

/*
 * A server that imports or deletes images without end, to be killed at any moment. Arguments: the URL of the database, and
 * what to do.
 */
extendPath();
const [url = '', work = ''] = process.argv.slice(2);
const database = await openDatabase(url);
const catalog = new Catalog({ database, events: new EventLog(database), server: 'server-1' });
const [location] = (await catalog.locations.list()) as [Location];
process.stdout.write('begin\n');
if (work === 'delete') await deleteAll();
else for (let count = process.pid * 1000; ; count++) await importOne(count);

async function deleteAll(): Promise<void> {
  const { images } = await catalog.list({ states: ['ready'], limit: 1000 });
  for (const { id } of images) await catalog.delete(id);
  await database.destroy();
}

async function importOne(count: number): Promise<void> {
  const from = { locationId: location.id, file: 'source.raw' };
  switch (count % 4) {
    case 0:
      await catalog.import({ name: 'copied', from, to: location.id });
      return;
    case 1:
      await adoptOne(count);
      return;
    case 2:
      await makeOne();
      return;
    default: {
      const { id, path } = await reserve();
      writeFileSync(path, randomBytes(1024));
      await catalog.abandon(id, 'it was only a try.');
    }
  }
}

/** A file that belongs to somebody else until the import has ended well. */
async function adoptOne(count: number): Promise<void> {
  const file = `own-${count}.raw`;
  const path = join(location.folder, file);
  writeFileSync(`${path}.new`, randomBytes(64 * 1024));
  renameSync(`${path}.new`, path);
  await catalog.import({ name: 'own', from: { locationId: location.id, file } });
}

async function makeOne(): Promise<void> {
  const { id, path, file } = await reserve();
  // As NewImage of transfer/ does: hidden until it is whole.
  const partial = join(location.folder, `.${file}.capture-1-abc.partial`);
  copyFileSync(join(location.folder, 'source.raw'), partial);
  renameSync(partial, path);
  await catalog.finish(id);
}

function reserve() {
  const origin = { kind: 'capture', job: 'j1' };
  return catalog.reserve({ name: 'made', locationId: location.id, format: 'raw', origin });
}
