import { formatBytes } from '@diskferry/system/units';
import { findLocation } from '../api-client/find-image.ts';
import type { ApiLocation } from '../api/routes/images.ts';
import { type ActionContext, actionCommand } from './action-command.ts';
import type { CliCommand } from './command.ts';
import { formatTable, print, printJson } from './output.ts';

export const locationsCommand: CliCommand = actionCommand({
  name: 'locations',
  summary: 'list, add and remove the folders in which the server keeps images',
  options: [{ name: 'take-over', help: 'add: a folder that belonged to another server' }],
  actions: {
    list: { operands: [], help: 'the folders', run: list },
    add: {
      operands: ['NAME', 'FOLDER'],
      help: 'use a folder of the server, or a share that is mounted there',
      options: ['take-over'],
      run: add,
    },
    look: { operands: ['NAME'], help: 'look whether it is there, and how much room it has', run: look },
    remove: { operands: ['NAME'], help: 'use it no more; refused while images are in it', run: remove },
    files: {
      operands: ['NAME'],
      help: 'its virtual disk files that are no images of the catalog yet',
      run: files,
    },
  },
});

async function list({ client, invocation: { flags } }: ActionContext): Promise<number> {
  const all = await (await client()).call('locations');
  if (flags.has('json')) printJson(all);
  else if (all.length === 0) print('there is none yet; try: diskferry locations add images /srv/images');
  else print(formatTable([['NAME', 'THERE', 'FOLDER'], ...all.map(rowOf)]));
  return 0;
}

function rowOf({ name, available, folder }: ApiLocation): string[] {
  return [name, available ? 'yes' : 'no', folder];
}

async function look({ client, words: [text = ''], invocation }: ActionContext): Promise<number> {
  const api = await client();
  const { id } = await findLocation(api, text);
  const location = await api.call('lookAtLocation', { id });
  const { name, folder, available, freeBytes } = location;
  if (invocation.flags.has('json')) printJson(location);
  else if (!available) print(`${name} (${folder}) is not there`);
  else print(`${name} (${folder}) is there; ${formatBytes(freeBytes ?? 0)} are free`);
  return 0;
}

async function add({ client, words: [name, folder], invocation: { flags } }: ActionContext): Promise<number> {
  const body = { name, folder, ...(flags.has('take-over') ? { takeOver: true } : {}) };
  const location = await (await client()).call('addLocation', { body });
  if (flags.has('json')) printJson(location);
  else print(`${location.name} is ${location.folder} of the server`);
  return 0;
}

async function remove({ client, words: [text = ''], invocation }: ActionContext): Promise<number> {
  const api = await client();
  const { id, name, folder } = await findLocation(api, text);
  await api.call('removeLocation', { id });
  if (invocation.flags.has('json')) printJson({ id, name, removed: true });
  else print(`${name} is used no more; ${folder} is still there`);
  return 0;
}

async function files({ client, words: [text = ''], invocation }: ActionContext): Promise<number> {
  const api = await client();
  const { id, name } = await findLocation(api, text);
  const found = await api.call('unlistedFiles', { id });
  if (invocation.flags.has('json')) printJson(found);
  else if (found.length === 0) print(`${name} has no other files`);
  else print(formatTable(found.map(({ file, bytes, modifiedAt }) => [file, formatBytes(bytes), modifiedAt])));
  return 0;
}
