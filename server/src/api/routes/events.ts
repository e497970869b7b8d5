import { once } from 'node:events';
import { Readable } from 'node:stream';
import { type Static, Type } from 'typebox';
import type { Event, EventLog } from '../../events/event-log.ts';
import { PROBLEM } from '../problems.ts';
import type { Router } from '../router.ts';
import type { Services } from '../services.ts';

/** How often the database is asked for events of other servers, in ms; a stream says that it lives as often. */
const POLL_MS = 2_000;

const EVENT = Type.Object({
  id: Type.String(),
  at: Type.String({ format: 'date-time' }),
  kind: Type.String({ examples: ['computer.unknown', 'job.failed'] }),
  severity: Type.Enum(['info', 'warning', 'alert']),
  subject: Type.Optional(Type.Object({ kind: Type.String(), id: Type.String() })),
  message: Type.String(),
  data: Type.Record(Type.String(), Type.Unknown()),
});

const WISHES = Type.Object({
  after: Type.Optional(Type.String({ description: 'those after the event with this id' })),
  kind: Type.Optional(Type.String()),
  subject: Type.Optional(Type.String({ description: 'id of what they are about' })),
  newest: Type.Optional(Type.Boolean({ description: 'the last ones instead of the first' })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
});

/** As clients see it. */
export type ApiEvent = Static<typeof EVENT>;

/** What happened, as a list and as a stream. */
export function addEventRoutes(app: Router, { events }: Services): void {
  app.get(
    '/api/v1/events',
    {
      config: { permission: 'events.read' },
      schema: {
        summary: 'Events, oldest first',
        querystring: WISHES,
        response: { 200: Type.Array(EVENT), '4xx': PROBLEM },
      },
    },
    async ({ query: { subject, ...wishes } }) => events.list({ ...wishes, subjectId: subject }),
  );

  app.get(
    '/api/v1/events/stream',
    {
      config: { permission: 'events.read' },
      schema: {
        summary:
          'Events as they happen: server-sent events (HTML, section 9.2); goes on behind Last-Event-ID',
        headers: Type.Object({ 'last-event-id': Type.Optional(Type.String()) }),
        produces: ['text/event-stream'],
      },
    },
    async (request, reply) => {
      const after = request.headers['last-event-id'] ?? (await events.latestId());
      const gone = new AbortController();
      request.raw.once('close', () => gone.abort());
      reply.raw.once('close', () => gone.abort());
      const stream = Readable.from(streamEvents(events, after, gone.signal), { objectMode: false });
      return reply.type('text/event-stream').header('cache-control', 'no-store').send(stream);
    },
  );
}

async function* streamEvents(
  events: EventLog,
  after: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<string> {
  let last = after;
  yield ': events follow\n\n';
  while (!signal.aborted) {
    const found = await events.list({ after: last });
    for (const event of found) yield messageOf(event);
    last = found.at(-1)?.id ?? last;
    if (found.length > 0) continue;
    await somethingHappens(events, signal);
    // Who is behind a proxy, and who has gone, is noticed by writing.
    yield ': \n\n';
  }
}

/** Waits for an event of this server, and for no longer than one of another server may take. */
async function somethingHappens(events: EventLog, signal: AbortSignal): Promise<void> {
  const waiting = new AbortController();
  const stop = (): void => waiting.abort();
  const leave = events.listen(stop);
  const timer = setTimeout(stop, POLL_MS);
  const ends = AbortSignal.any([waiting.signal, signal]);
  if (!ends.aborted) await once(ends, 'abort');
  clearTimeout(timer);
  leave();
}

function messageOf(event: Event): string {
  return `id: ${event.id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;
}
