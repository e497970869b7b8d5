import { join } from 'node:path';
import { run } from '@diskferry/system/run';
import { EXECUTABLE } from './imaging-client.ts';

const ROOT = join(import.meta.dirname, '../../..');

/** The imaging client as it is on the boot media: one executable, built from what is there now. */
export async function builtClient(): Promise<string> {
  if (EXECUTABLE !== undefined) return EXECUTABLE;
  await run([process.execPath, join(ROOT, 'client/build.ts')], { cwd: ROOT });
  return join(ROOT, 'dist/imaging-client');
}
