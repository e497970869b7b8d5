import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient } from '../api-client/api-client.ts';
import { UnreachableError } from '../api-client/server-errors.ts';
import type { ApiEvent } from '../api/routes/events.ts';
import { type CliCommand, type Invocation, JSON_OPTION, TIMEOUT_OPTION } from './command.ts';
import { limitOption } from './limit-option.ts';
import { formatTable, print, printJson, printJsonLine, printNote } from './output.ts';
import { openClient, SERVER_OPTION } from './server-option.ts';

const DEFAULT_LIMIT = 20;
/** Before a stream that was cut is asked for again, in ms. */
const AGAIN_MS = 1_000;

export const eventsCommand: CliCommand = {
  name: 'events',
  operands: [],
  summary: 'what happened on the server, and with --follow what happens',
  details:
    'Unknown computers, jobs that begin and end, images that are damaged or missing. With --follow and --json, each event\n' +
    'is one line of JSON. A stream that is cut, by a restart of the server, goes on where it was.',
  options: [
    { name: 'follow', help: 'go on with what happens from now on, until it is interrupted' },
    { name: 'kind', value: 'KIND', help: 'only such as job.failed' },
    { name: 'limit', value: 'N', help: `so many of the last ones (default ${DEFAULT_LIMIT})` },
    JSON_OPTION,
    SERVER_OPTION,
    TIMEOUT_OPTION,
  ],
  keepsLeftovers: true,
  run: runEvents,
};

async function runEvents(invocation: Invocation): Promise<number> {
  const { flags, values } = invocation;
  const client = await openClient(invocation);
  const kind = values.get('kind');
  // Before the past is asked for: what happens in between is shown.
  const [newest] = await client.call('events', { query: { newest: true, limit: 1 } });
  const query = { kind, newest: true, limit: limitOption(invocation) ?? DEFAULT_LIMIT };
  const past = await client.call('events', { query });
  if (!flags.has('follow')) {
    if (flags.has('json')) printJson(past);
    else print(past.length === 0 ? 'nothing has happened yet' : formatTable(past.map(cellsOf)));
    return 0;
  }
  const show = (event: ApiEvent): void => {
    if (kind !== undefined && event.kind !== kind) return;
    if (flags.has('json')) printJsonLine(event);
    else print(cellsOf(event).join('  ').trimEnd());
  };
  past.forEach(show);
  // Ids grow with time.
  const known = [newest?.id ?? '', past.at(-1)?.id ?? ''].toSorted().at(-1);
  return follow(client, known === '' ? undefined : known, show, invocation.signal);
}

async function follow(
  client: ApiClient,
  after: string | undefined,
  show: (event: ApiEvent) => void,
  signal: AbortSignal,
): Promise<never> {
  let last = after;
  let isLost = false;
  for (;;) {
    try {
      for await (const event of client.events(last)) {
        isLost = false;
        last = event.id;
        show(event);
      }
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      if (!isLost) printNote(`${error.message}; it is waited for`);
      isLost = true;
    }
    await sleep(AGAIN_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

function cellsOf({ at, severity, kind, message }: ApiEvent): string[] {
  return [at, severity === 'info' ? '' : severity.toUpperCase(), kind, message];
}
