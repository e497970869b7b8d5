import { sessionsFolder } from './own-sessions.ts';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach } from 'node:test';
import { cleanUp } from '@diskferry/system/session';
import { assertNothingIsLeft } from './leftovers.ts';

/**
 * Makes a folder for the tests of a file, which goes with what they left after the last one; each of them must leave no
 * mount, loop device or process.
 */
export function useTestFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-test-'));
  after(async () => {
    // What a failed test left; deleting the sessions first would make it impossible to find.
    await cleanUp();
    await rm(folder, { recursive: true, force: true });
    await rm(sessionsFolder, { recursive: true, force: true });
  });
  afterEach(assertNothingIsLeft);
  return folder;
}
