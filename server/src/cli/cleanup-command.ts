import { describeResource } from '@diskferry/system/resource';
import { cleanUp, isAbandoned, listSessions } from '@diskferry/system/session';
import { requireRoot } from '../refused-error.ts';
import { type CliCommand, JSON_OPTION } from './command.ts';
import { print, printJson } from './output.ts';

export const cleanupCommand: CliCommand = {
  name: 'cleanup',
  operands: [],
  summary: 'release what a killed diskferry left: mounts, loop devices, processes, half-made images',
  details:
    'Every start of diskferry does this by itself. Disks attached on purpose stay; see diskferry detach.',
  options: [{ name: 'dry-run', help: 'only list what would be released' }, JSON_OPTION],
  keepsLeftovers: true,
  async run({ flags }) {
    requireRoot('cleaning up');
    const dryRun = flags.has('dry-run');
    const abandoned = listSessions()
      .filter(isAbandoned)
      .map(({ id, held }) => ({ id, held: held.map(describeResource) }));
    if (!dryRun) await cleanUp();
    if (flags.has('json')) {
      printJson({ dryRun, released: abandoned });
    } else {
      for (const { id, held } of abandoned) print(`${id}: ${held.join(', ') || 'nothing held'}`);
      const verb = dryRun ? 'to release' : 'released';
      print(abandoned.length === 0 ? 'nothing was left behind' : `${verb}: ${abandoned.length}`);
    }
    return 0;
  },
};
