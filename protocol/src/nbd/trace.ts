import { debuglog } from 'node:util';
import { commandName } from './constants.ts';
import type { Request } from './requests.ts';

const debug = debuglog('diskferry:nbd');
let connections = 0;

/** Writes one line about a message of one connection; "<" is one that came, ">" one that goes. */
export type Trace = (line: string) => void;

/**
 * A trace for a new connection; undefined unless `NODE_DEBUG=diskferry:nbd` is set. Callers write
 * `trace?.(…)`, so that no text is made for nobody.
 */
export function startTrace(): Trace | undefined {
  if (!debug.enabled) return undefined;
  const name = ++connections;
  return (line) => debug('%d %s', name, line);
}

/** A request in words. */
export function describeRequest({ type, flags, cookie, offset, length }: Request): string {
  const withFlags = flags === 0 ? '' : ` flags 0x${flags.toString(16)}`;
  return `${commandName(type)} ${length} bytes at ${offset}${withFlags} cookie ${cookie}`;
}
