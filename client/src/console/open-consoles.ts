import { debuglog } from 'node:util';
import type { ServeOptions } from '../command-line.ts';
import { type ActionOptions, consoleActions } from './actions.ts';
import { openTerminal } from './terminal.ts';
import { TerminalConsole } from './terminal-console.ts';

const debug = debuglog('diskferry:console');

/** All terminals that are named and work: a serial port that is not there must not keep the screen dark. */
export function openConsoles(
  { consoles, allowShell, systemFolder }: Pick<ServeOptions, 'consoles' | 'allowShell' | 'systemFolder'>,
  status: Pick<ActionOptions, 'readInventory' | 'grants'>,
): readonly TerminalConsole[] {
  const actions = consoleActions({ root: systemFolder, allowShell, ...status });
  return consoles.flatMap((path) => {
    try {
      return [new TerminalConsole((onInput) => openTerminal(path, onInput), actions)];
    } catch (error) {
      debug('%s: %s', path, error instanceof Error ? error.message : error);
      return [];
    }
  });
}
