import { messageOf } from '@diskferry/system/errors';
import { planBoots } from './boot-plan.ts';
import type { CellResult } from './cell-result.ts';
import { type Cell, mediumCellName, modelCellName } from './cells.ts';
import type { HardwareModel } from './hardware-model.ts';
import type { MediumCell } from './medium-cells.ts';

export interface RunOptions {
  /** Starts one machine with all these models, and gives the result of each by its name. */
  readonly bootModels: (models: readonly HardwareModel[]) => Promise<ReadonlyMap<string, CellResult>>;
  readonly bootMedium: (cell: MediumCell) => Promise<CellResult>;
  /** Told before each start. */
  readonly onStart: (cells: readonly string[]) => void;
  /** Told of each cell that is done. */
  readonly onResult: (cell: string, result: CellResult) => void;
  /** When this turns true, no further machine is started. */
  readonly isOver: () => boolean;
  /** Ends the run: an error after that is no result. */
  readonly signal: AbortSignal;
}

/** Runs cells, many in one machine where they fit. Ends early when time is over: whoever calls sees what is missing. */
export async function runCells(cells: readonly Cell[], options: RunOptions): Promise<void> {
  const models = cells.flatMap((cell) => (cell.kind === 'model' ? [cell.model] : []));
  for (const boot of planBoots(models)) await runModels(boot, options);
  for (const cell of cells) if (cell.kind === 'medium') await runMedium(cell.medium, options);
}

/**
 * Starts one machine with all these models. Where it does not come up at all, with each half of them; and what does not show itself
 * gets a machine of its own, where nothing else stands in its way, and then one with the extra drivers.
 */
async function runModels(models: readonly HardwareModel[], options: RunOptions): Promise<void> {
  if (options.isOver()) return;
  options.onStart(models.map(modelCellName));
  const results = await resultOf(async () => options.bootModels(models), options);
  if (results instanceof Error && models.length > 1) {
    const middle = Math.ceil(models.length / 2);
    await runModels(models.slice(0, middle), options);
    await runModels(models.slice(middle), options);
    return;
  }
  const again: HardwareModel[] = [];
  for (const model of models) {
    const result = results instanceof Error ? failure(results) : results.get(model.name);
    if (result?.state === 'failed' && models.length > 1) again.push(model);
    else if (result?.state === 'failed' && !model.extraDrivers) again.push({ ...model, extraDrivers: true });
    else if (result !== undefined) options.onResult(modelCellName(model), result);
  }
  for (const model of again) await runModels([model], options);
}

async function runMedium(cell: MediumCell, options: RunOptions): Promise<void> {
  if (options.isOver()) return;
  const name = mediumCellName(cell);
  options.onStart([name]);
  const result = await resultOf(async () => options.bootMedium(cell), options);
  options.onResult(name, result instanceof Error ? failure(result) : result);
}

/** An error is a result too, unless somebody has ended the run. */
async function resultOf<T>(start: () => Promise<T>, { signal }: RunOptions): Promise<T | Error> {
  try {
    return await start();
  } catch (error) {
    signal.throwIfAborted();
    return error instanceof Error ? error : new Error(messageOf(error));
  }
}

function failure(error: Error): CellResult {
  return { state: 'failed', reason: error.message };
}
