import { backUpDatabase } from '../database/backup.ts';
import { stateFolder } from '../serve/state-folder.ts';
import { readServerSettings } from '../settings/server-settings.ts';
import type { CliCommand } from './command.ts';
import { print } from './output.ts';

export const backupCommand: CliCommand = {
  name: 'backup',
  operands: ['FILE'],
  summary: "copy the imaging server's database into a new file, while it runs",
  details:
    'Back: end the server, then put the copy in the place of the SQLite file, or run pg_restore into an empty PostgreSQL\n' +
    'database. Images, the authority of the media (authority/) and the enrolments (enrolments/) are files: copy them too.',
  options: [{ name: 'settings', value: 'FILE', help: 'settings of the server' }],
  async run({ positionals, values }) {
    const [file] = positionals as [string];
    await backUpDatabase(readServerSettings(values.get('settings'), stateFolder()).database, file);
    print(`the database is in ${file}`);
    return 0;
  },
};
