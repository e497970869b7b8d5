/** One event of a stream (HTML, section 9.2, "Server-sent events"). */
export interface ServerSentEvent {
  readonly id: string | undefined;
  readonly data: string;
}

/** Longer than any event of ours; who sends more is no diskferry, in characters. */
const MAX_EVENT_LENGTH = 1024 * 1024;

/** Reads a stream of events. Comments, by which a server says that it lives, and fields that are not known are left out. */
export async function* readServerSentEvents(chunks: AsyncIterable<string>): AsyncGenerator<ServerSentEvent> {
  let id: string | undefined;
  let data: string[] = [];
  for await (const line of linesOf(chunks)) {
    if (line === '') {
      if (data.length > 0) yield { id, data: data.join('\n') };
      data = [];
      continue;
    }
    const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === 'data') data.push(value);
    else if (field === 'id') id = value;
  }
}

async function* linesOf(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_EVENT_LENGTH) throw new Error('an event of the stream is too long');
    for (const line of lines) yield line.replace(/\r$/, '');
  }
}
