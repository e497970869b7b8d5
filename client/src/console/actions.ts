import type { Inventory } from '@diskferry/protocol/inventory';
import { leave, type Leaving } from '../leave/leave.ts';
import type { GrantStatus } from '../status.ts';
import { confirmLeaving } from './leave-dialog.ts';
import { askNetworkSettings } from './network-dialog.ts';
import { writeNetworkSettings } from './network-settings.ts';
import { openShell } from './shell.ts';
import type { Action } from './terminal-console.ts';

export interface ActionOptions {
  /** Where the secondary OS lies. */
  readonly root: string;
  readonly allowShell: boolean;
  readonly readInventory: () => Inventory;
  readonly grants: () => readonly GrantStatus[];
}

/** What a person in front of the computer can do. */
export function consoleActions({
  root,
  allowShell,
  readInventory,
  grants,
}: ActionOptions): readonly Action[] {
  const leaving = (key: string, label: string, how: Leaving): Action => ({
    key,
    label,
    run: async (conversation) => {
      await confirmLeaving(conversation, label, grants);
      conversation.say(`${label}: the computer leaves the secondary OS ...`);
      await leave(how, { root, say: conversation.say });
      conversation.say('The system is ending.');
    },
  });
  return [
    {
      key: 'n',
      label: 'network',
      run: async (conversation) => {
        const settings = await askNetworkSettings(conversation, readInventory().nics);
        if (settings === undefined) return;
        writeNetworkSettings(settings, root);
        conversation.say(`${settings.adapter} is being set up ...`);
      },
    },
    ...(allowShell
      ? [{ key: 's', label: 'shell', run: async (_, terminal) => openShell(terminal) } as Action]
      : []),
    leaving('d', 'start from disk', 'local-disk'),
    leaving('r', 'restart', 'reboot'),
    leaving('p', 'power off', 'power-off'),
  ];
}
