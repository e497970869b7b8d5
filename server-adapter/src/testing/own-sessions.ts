import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/*
 * To be imported before anything that imports the session module, which reads this variable once: the tests' sessions
 * stay apart from those of the machine, so that cleaning up touches nobody else's.
 */
process.env['DISKFERRY_RUN'] ??= mkdtempSync(join(tmpdir(), 'diskferry-sessions-'));

/** Where the sessions of these tests are. */
export const sessionsFolder = process.env['DISKFERRY_RUN'];
