import { IMAGE_FORMATS } from '@diskferry/server-adapter/simulated-disk';
import { formatBytes } from '@diskferry/system/units';
import { findImage, findLocation, findOnlyImage } from '../api-client/find-image.ts';
import type { ApiImage } from '../api/routes/images.ts';
import { type Action, type ActionContext, actionCommand } from './action-command.ts';
import { type CliCommand, choiceOption } from './command.ts';
import { limitOption } from './limit-option.ts';
import { formatTable, print, printJson } from './output.ts';
import { PROGRESS_OPTION } from './progress-option.ts';
import { onlyTag } from './tag-option.ts';
import { afterStart, DETACH_OPTION } from './watch-job.ts';

const DEFAULT_LIMIT = 100;

export const imagesCommand: CliCommand = actionCommand({
  name: 'images',
  summary: "list the images of the server's catalog; check, describe, import, delete them",
  details:
    'An IMAGE is a name such as web for its latest version, web:3 for a version, or an id. check and import are jobs of the\n' +
    'server, which go on when this command is interrupted. FILE is the path within the LOCATION, see diskferry locations.',
  options: [
    { name: 'text', value: 'WORDS', help: 'list: only those with these words in names, notes, tags' },
    {
      name: 'tag',
      value: 'TAG',
      multiple: true,
      help: 'list: only those with a tag; change: the tags, all of them',
    },
    { name: 'state', value: 'STATE', help: 'list: only importing, ready, damaged, missing, deleting' },
    { name: 'limit', value: 'N', help: `list: at most so many (default ${DEFAULT_LIMIT})` },
    { name: 'name', value: 'NAME', help: 'change: call it otherwise' },
    { name: 'notes', value: 'TEXT', help: 'change: the notes' },
    { name: 'to', value: 'LOCATION', help: 'import: copy the file there; without it, it stays where it is' },
    { name: 'format', value: 'NAME', help: `import: ${IMAGE_FORMATS.join(', ')}; found out by default` },
    DETACH_OPTION,
    PROGRESS_OPTION,
  ],
  actions: {
    list: { operands: [], help: 'the images', options: ['text', 'tag', 'state', 'limit'], run: list },
    show: { operands: ['IMAGE'], help: 'all that is known of one', run: show },
    check: {
      ...job('check-image'),
      help: 'compare its file with its checksum, size and structure',
    },
    change: {
      operands: ['IMAGE'],
      help: 'change its name, notes or tags',
      options: ['name', 'notes', 'tag'],
      run: change,
    },
    import: {
      operands: ['LOCATION', 'FILE', 'NAME'],
      help: 'bring a virtual disk file that is there already into the catalog',
      options: ['to', 'format', 'detach', 'progress'],
      run: importFile,
    },
    rename: {
      operands: ['NAME', 'NEW-NAME'],
      help: 'call all versions of a name otherwise',
      run: rename,
    },
    holders: { operands: ['IMAGE'], help: 'who keeps it from being deleted', run: holders },
    forget: {
      operands: ['IMAGE'],
      help: 'take it out of the catalog and leave its file',
      run: leave('forgetImage'),
    },
    delete: {
      operands: ['IMAGE'],
      help: 'delete it with its file; refused while a job needs it',
      run: leave('deleteImage'),
    },
  },
});

async function list({ client, invocation }: ActionContext): Promise<number> {
  const { values, flags } = invocation;
  const query = {
    text: values.get('text'),
    tag: onlyTag(invocation),
    state: values.get('state'),
    limit: limitOption(invocation) ?? DEFAULT_LIMIT,
  };
  const page = await (await client()).call('images', { query });
  const { images, total } = page;
  if (flags.has('json')) printJson(page);
  else if (images.length === 0) print('the catalog has no such image');
  else
    print(
      formatTable(
        [['IMAGE', 'STATE', 'FORMAT', 'DISK', 'FILE', 'SINCE', 'NOTES'], ...images.map(rowOf)],
        [3, 4],
      ),
    );
  if (!flags.has('json') && total > images.length)
    print(`${total - images.length} more; see --limit, --text`);
  return 0;
}

function rowOf(image: ApiImage): string[] {
  const { state, format, virtualSize, allocatedSize, createdAt, notes } = image;
  const size = (bytes: number | undefined): string => (bytes === undefined ? '' : formatBytes(bytes));
  return [
    titleOf(image),
    state,
    format,
    size(virtualSize),
    size(allocatedSize),
    createdAt,
    notes.split('\n')[0] ?? '',
  ];
}

function titleOf({ name, version }: ApiImage): string {
  return `${name}:${version}`;
}

async function show({ client, words: [text = ''], invocation }: ActionContext): Promise<number> {
  const api = await client();
  const image = await findImage(api, text);
  if (invocation.flags.has('json')) printJson(image);
  else print(describe(image));
  return 0;
}

function describe(image: ApiImage): string {
  const { origin } = image;
  const bytes = (count: number | undefined): string | undefined =>
    count === undefined ? undefined : `${formatBytes(count)} (${count} bytes)`;
  const rows: [string, string | undefined][] = [
    ['image', titleOf(image)],
    ['id', image.id],
    ['state', image.state],
    ['problem', image.problem],
    ['format', image.format],
    ['disk', bytes(image.virtualSize)],
    ['file', image.file],
    ['on disk', bytes(image.allocatedSize)],
    ['sector size', image.sectorSize?.toString()],
    ['SHA-256', image.sha256],
    [
      'origin',
      Object.entries(origin)
        .map(([name, value]) => `${name} ${value}`)
        .join(', '),
    ],
    ['created', image.createdAt],
    ['checked', image.checkedAt],
    ['used', image.usedAt],
    ['tags', image.tags.join(', ') || undefined],
    ['notes', image.notes || undefined],
  ];
  return formatTable(rows.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

/** A job whose only word is an image. */
function job(kind: string): Omit<Action, 'help'> {
  return {
    operands: ['IMAGE'],
    options: ['detach', 'progress'],
    run: async ({ client, words: [text = ''], invocation }) => {
      const api = await client();
      const { id } = await findImage(api, text);
      return afterStart(api, await api.call('startJob', { body: { kind, spec: { image: id } } }), invocation);
    },
  };
}

async function change({ client, words: [text = ''], invocation }: ActionContext): Promise<number> {
  const { values, lists, flags } = invocation;
  const api = await client();
  const { id } = await findImage(api, text);
  const tags = lists.get('tag');
  const body = {
    name: values.get('name'),
    notes: values.get('notes'),
    tags: tags?.filter((tag) => tag !== ''),
  };
  const image = await api.call('changeImage', { id, body });
  if (flags.has('json')) printJson(image);
  else print(describe(image));
  return 0;
}

async function importFile({
  client,
  words: [from = '', file = '', name = ''],
  invocation,
}: ActionContext): Promise<number> {
  const api = await client();
  const to = invocation.values.get('to');
  const spec = {
    name,
    location: (await findLocation(api, from)).id,
    file,
    to: to === undefined ? undefined : (await findLocation(api, to)).id,
    format: choiceOption(invocation, 'format', IMAGE_FORMATS),
  };
  return afterStart(api, await api.call('startJob', { body: { kind: 'import-image', spec } }), invocation);
}

async function rename({ client, words: [from, to], invocation }: ActionContext): Promise<number> {
  await (await client()).call('renameImages', { body: { from, to } });
  if (invocation.flags.has('json')) printJson({ from, to });
  else print(`all versions of ${from} are called ${to} now`);
  return 0;
}

async function holders({ client, words: [text = ''], invocation }: ActionContext): Promise<number> {
  const api = await client();
  const { id } = await findImage(api, text);
  const found = await api.call('imageHolders', { id });
  if (invocation.flags.has('json')) printJson(found);
  else if (found.length === 0) print('nobody holds it');
  else print(formatTable(found.map(({ kind, id }) => [kind, id])));
  return 0;
}

const GONE = { forgetImage: 'forgotten', deleteImage: 'deleted' } as const;

function leave(route: keyof typeof GONE): Action['run'] {
  return async ({ client, words: [text = ''], invocation }) => {
    const api = await client();
    const image = await findOnlyImage(api, text);
    await api.call(route, { id: image.id });
    if (invocation.flags.has('json')) printJson({ id: image.id, image: titleOf(image), [GONE[route]]: true });
    else print(`${titleOf(image)} is ${GONE[route]}`);
    return 0;
  };
}
