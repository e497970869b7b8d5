import type { Catalog } from './catalog.ts';
import type { HardwareModel } from './hardware-model.ts';
import { type MediumCell, mediumCells, mediumName } from './medium-cells.ts';

/** What a run finds out, one by one. The name of a cell is the name of its file. */
export type Cell =
  | { readonly kind: 'model'; readonly name: string; readonly model: HardwareModel }
  | { readonly kind: 'medium'; readonly name: string; readonly medium: MediumCell };

/** All cells: those of which many go into one machine first. */
export function allCells({ models }: Catalog): Cell[] {
  return [
    ...models.map((model) => ({ kind: 'model', name: modelCellName(model), model }) as const),
    ...mediumCells().map((medium) => ({ kind: 'medium', name: mediumCellName(medium), medium }) as const),
  ];
}

export function modelCellName({ subject, name }: Pick<HardwareModel, 'subject' | 'name'>): string {
  return `${subject}-${name}`;
}

export function mediumCellName(cell: MediumCell): string {
  return `medium-${mediumName(cell)}`;
}
