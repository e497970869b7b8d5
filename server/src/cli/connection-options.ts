import type { CliOption } from './command.ts';

/** Options of every command that connects to another computer. */
export const CONNECTION_OPTIONS: readonly CliOption[] = [
  { name: 'insecure', help: 'connect in plain text, to a client or NBD server that proves nothing' },
];
