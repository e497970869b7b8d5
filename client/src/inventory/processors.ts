import type { ProcessorInfo } from '@diskferry/protocol/inventory';

const UNKNOWN_MODEL = 'unknown';

/** Counts processors from the text of /proc/cpuinfo: one paragraph of "key : value" lines a thread (proc(5)). */
export function parseProcessors(cpuinfo: string): ProcessorInfo {
  const threads = cpuinfo
    .split(/\n\s*\n/)
    .map(parseParagraph)
    .filter((thread) => thread.has('processor'));
  // A kernel without symmetric multiprocessing, and most virtual machines of other architectures, number nothing.
  const sockets = new Set(threads.map((thread) => thread.get('physical id') ?? '0'));
  const cores = new Set(threads.map((thread) => coreOf(thread)));
  return {
    model: threads[0]?.get('model name') ?? threads[0]?.get('cpu model') ?? UNKNOWN_MODEL,
    sockets: sockets.size,
    cores: cores.size,
    threads: threads.length,
  };
}

function parseParagraph(paragraph: string): Map<string, string> {
  const fields = paragraph.split('\n').map((line): [string, string] => {
    const colon = line.indexOf(':');
    return colon < 0 ? [line, ''] : [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
  });
  return new Map(fields);
}

function coreOf(thread: Map<string, string>): string {
  const core = thread.get('core id');
  return core === undefined ? `thread ${thread.get('processor')}` : `${thread.get('physical id')} ${core}`;
}
