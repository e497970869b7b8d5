import { run } from '@diskferry/system/run';

export const POWER_ACTIONS = ['on', 'off', 'restart'] as const;
export type PowerAction = (typeof POWER_ACTIONS)[number];

/** A management controller may take minutes, in ms. */
const LIMIT_MS = 5 * 60_000;

export interface PoweredComputer {
  readonly id: string;
  readonly name: string;
  readonly macs: readonly string[];
}

/**
 * Runs the administrator's program that switches computers by other means, such as ipmitool or a client of Redfish. It gets
 * the action as its only word and the computer in its environment: DISKFERRY_COMPUTER_ID, _NAME and _MACS (with blanks).
 *
 * @throws {CommandError} when it fails
 */
export async function runPowerHook(
  program: string,
  action: PowerAction,
  { id, name, macs }: PoweredComputer,
  signal: AbortSignal,
): Promise<void> {
  await run([program, action], {
    signal,
    timeoutMs: LIMIT_MS,
    env: {
      DISKFERRY_COMPUTER_ID: id,
      DISKFERRY_COMPUTER_NAME: name,
      DISKFERRY_COMPUTER_MACS: macs.join(' '),
    },
  });
}
