import { messageOf } from '@diskferry/system/errors';
import { type Static, Type } from 'typebox';
import { POWER_ACTIONS, type PowerAction, runPowerHook } from '../../power/power-hook.ts';
import { wake } from '../../power/wake-on-lan.ts';
import { RefusedError } from '../../refused-error.ts';
import type { JobRunner, JobWork } from '../job-engine.ts';
import type { ComputerWorkOptions } from './computer-work.ts';
import { readSpec } from './spec.ts';

export const POWER_SPEC = Type.Object(
  { computer: Type.String({ description: 'id or name' }), action: Type.Enum(POWER_ACTIONS) },
  { additionalProperties: false },
);

export interface PowerRunnerOptions extends Omit<ComputerWorkOptions, 'runFolder'> {
  /** The administrator's program for computers that we cannot switch ourselves. */
  readonly hook: string | undefined;
}

/**
 * Switches a computer. One whose client is connected does it itself; one that is off gets a magic packet, and the program
 * of the administrator is run where there is one.
 */
export function powerRunner(options: PowerRunnerOptions): JobRunner {
  const { registry } = options;
  return {
    async check(spec) {
      return { computerId: (await registry.get(readSpec(POWER_SPEC, spec).computer)).id };
    },
    run: (work) => switchPower(options, work, readSpec(POWER_SPEC, work.job.spec)),
  };
}

async function switchPower(
  { registry, fleet, hook }: PowerRunnerOptions,
  { signal, log }: JobWork,
  { computer: idOrName, action }: Static<typeof POWER_SPEC>,
): Promise<Readonly<Record<string, unknown>>> {
  const { id, name, traits } = await registry.get(idOrName);
  const macs = traits.filter(({ kind }) => kind === 'mac').map(({ value }) => value);
  const connected = fleet.find(id);
  if (connected !== undefined && action !== 'on') {
    await connected.link.ask({ type: 'leave', how: action === 'off' ? 'power-off' : 'reboot' });
    return { by: 'client' };
  }
  const by: string[] = [];
  if (action === 'on') {
    for (const mac of macs) {
      await wake(mac).then(
        () => by.push(`magic packet to ${mac}`),
        (error: unknown) => log(`no magic packet could be sent to ${mac}: ${messageOf(error)}`),
      );
    }
  }
  if (hook !== undefined) {
    await runPowerHook(hook, action, { id, name, macs }, signal);
    by.push(hook);
  }
  if (by.length === 0) throw noWay(name, action);
  return { by: by.join(', ') };
}

function noWay(name: string, action: PowerAction): RefusedError {
  const why =
    action === 'on' ? 'no MAC address of it is known' : 'its imaging client is not connected to this server';
  return new RefusedError(
    'NO_POWER',
    `${name} cannot be switched ${action}: ${why}, and the settings name no power.hook`,
  );
}
