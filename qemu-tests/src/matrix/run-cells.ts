import { messageOf } from '@diskferry/system/errors';
import type { Session } from '@diskferry/system/session';
import { planBoots } from './boot-plan.ts';
import type { CellResult } from './cell-result.ts';
import { type Cell, mediumCellName, modelCellName } from './cells.ts';
import { bootWithModels, type DriverBoot } from './driver-boot.ts';
import type { HardwareModel } from './hardware-model.ts';
import { bootMedium } from './medium-boot.ts';
import type { MediumCell } from './medium-cells.ts';

export interface RunOptions extends Pick<DriverBoot, 'session' | 'media' | 'aliases' | 'signal'> {
  /** Told before each start. */
  readonly onStart: (cells: readonly string[]) => void;
  /** Told of each cell that is done; a later call for the same cell counts more. */
  readonly onResult: (cell: string, result: CellResult) => void;
  /** When this turns true, no further machine is started. */
  readonly isOver: () => boolean;
}

type Starts = Pick<RunOptions, 'session' | 'signal'>;

/** Runs cells, many in one machine where they fit. Ends early when time is over: whoever calls sees what is missing. */
export async function runCells(cells: readonly Cell[], options: RunOptions): Promise<void> {
  const models = cells.flatMap((cell) => (cell.kind === 'model' ? [cell.model] : []));
  for (const boot of planBoots(models)) await runModels(boot, options);
  for (const cell of cells) if (cell.kind === 'medium') await runMedium(cell.medium, options);
}

/**
 * Starts one machine with all these models. Where it does not come up at all, with each half of them; and what does not show itself
 * gets a machine of its own, where nothing else stands in its way.
 */
async function runModels(models: readonly HardwareModel[], options: RunOptions): Promise<void> {
  if (options.isOver()) return;
  options.onStart(models.map(modelCellName));
  const results = await boot(models, options);
  if (results instanceof Error) {
    const [first] = models;
    if (first !== undefined && models.length === 1) {
      options.onResult(modelCellName(first), { state: 'failed', reason: results.message });
      return;
    }
    const middle = Math.ceil(models.length / 2);
    await runModels(models.slice(0, middle), options);
    await runModels(models.slice(middle), options);
    return;
  }
  const again: HardwareModel[] = [];
  for (const model of models) {
    const result = results.get(model.name);
    if (result?.state === 'failed' && models.length > 1) again.push(model);
    else if (result !== undefined) options.onResult(modelCellName(model), result);
  }
  for (const model of again) await runModels([model], options);
}

/** An error is a result too, unless somebody has ended the run. */
async function boot(
  models: readonly HardwareModel[],
  { session, media, aliases, signal }: RunOptions,
): Promise<ReadonlyMap<string, CellResult> | Error> {
  const name = `matrix-${models.length === 1 ? models[0]?.name : 'models'}`;
  try {
    return await bootWithModels({ name, session, models, media, aliases, signal });
  } catch (error) {
    signal?.throwIfAborted();
    return error instanceof Error ? error : new Error(messageOf(error));
  }
}

async function runMedium(cell: MediumCell, options: RunOptions): Promise<void> {
  if (options.isOver()) return;
  const name = mediumCellName(cell);
  options.onStart([name]);
  options.onResult(name, await mediumResult(cell, options.session, options));
}

async function mediumResult(cell: MediumCell, session: Session, { signal }: Starts): Promise<CellResult> {
  try {
    return await bootMedium(cell, session, signal);
  } catch (error) {
    signal?.throwIfAborted();
    return { state: 'failed', reason: messageOf(error) };
  }
}
