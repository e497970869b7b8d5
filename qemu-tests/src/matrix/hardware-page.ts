import type { Catalog, LeftOutDevice } from './catalog.ts';
import type { CellResult } from './cell-result.ts';
import { mediumCellName, modelCellName } from './cells.ts';
import type { HardwareModel } from './hardware-model.ts';
import type { MatrixMedia } from './media.ts';
import { FIRMWARES, MEDIA_KINDS, mediumCells } from './medium-cells.ts';

const BEGIN = '<!-- Made by "scripts/test --matrix" from here on. -->';
const END = '<!-- Up to here. -->';

const FIRMWARE_WORDS = {
  bios: 'BIOS (SeaBIOS)',
  uefi: 'UEFI (OVMF)',
  'uefi-secure-boot': 'UEFI with Secure Boot enforced (OVMF)',
} as const;
const MEDIUM_WORDS = { cd: 'CD', 'usb-stick': 'USB stick', pxe: 'PXE', http: 'HTTP' } as const;
const SOURCE_WORDS = {
  'first initrd': 'first initrd',
  'extra drivers': '`extra-drivers`',
  kernel: 'the kernel itself',
} as const;

export interface PageFacts {
  readonly catalog: Catalog;
  readonly media: Pick<MatrixMedia, 'kernel' | 'qemu'>;
  readonly resultOf: (cell: string) => CellResult | undefined;
}

/**
 * Replaces what stands between the two marks of a page.
 *
 * @throws {Error} where a page lacks them
 */
export function replaceTables(page: string, tables: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`the page lacks the lines "${BEGIN}" and "${END}"`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${tables}\n\n${page.slice(end)}`;
}

/** The tables of a finished run. The same results give the same words. */
export function formatTables(facts: PageFacts): string {
  const { catalog, media } = facts;
  const of = (subject: HardwareModel['subject']): HardwareModel[] =>
    catalog.models.filter((model) => model.subject === subject).toSorted((a, b) => compare(a.name, b.name));
  return [
    `Seen with QEMU ${media.qemu} and Linux ${media.kernel}.`,
    '## Firmware and media',
    mediumTable(facts),
    '## Network cards',
    modelTable(of('network'), facts),
    '## Disk controllers',
    modelTable(of('storage'), facts),
    '## Not tested by itself',
    leftOutTable(catalog.leftOut),
  ].join('\n\n');
}

function mediumTable({ resultOf }: PageFacts): string {
  const known = new Set(mediumCells().map(mediumCellName));
  return table(
    ['', ...MEDIA_KINDS.map((medium) => MEDIUM_WORDS[medium])],
    FIRMWARES.map((firmware) => [
      FIRMWARE_WORDS[firmware],
      ...MEDIA_KINDS.map((medium) => {
        const cell = mediumCellName({ firmware, medium });
        return known.has(cell) ? wordsFor(resultOf(cell), 'standby') : 'the firmware cannot';
      }),
    ]),
  );
}

function modelTable(models: readonly HardwareModel[], { resultOf }: PageFacts): string {
  return table(
    ["QEMU's name", 'what it is', 'Linux drivers', 'which come with', 'result'],
    models.map((model) => {
      const result = resultOf(modelCellName(model));
      const modules = (result?.modules ?? []).map((module) => `\`${module}\``).join(' on ');
      const source = result?.source === undefined ? '' : SOURCE_WORDS[result.source];
      const shown = model.subject === 'network' ? 'has its address' : 'disk of the right size';
      return [`\`${model.name}\``, model.description ?? '', modules, source, wordsFor(result, shown)];
    }),
  );
}

function wordsFor(result: CellResult | undefined, passed: string): string {
  switch (result?.state) {
    case undefined:
      return 'not seen yet';
    case 'passed':
      return passed;
    case 'needs-firmware':
      return `${result.reason}`;
    case 'no-driver':
      return `no driver: ${result.reason}`;
    case 'failed':
      // Only the sentence: what follows quotes the machine.
      return `**failed**: ${result.reason?.split('\n')[0]}`;
  }
}

/** Devices with the same reason stand together. */
function leftOutTable(leftOut: readonly LeftOutDevice[]): string {
  const groups = Map.groupBy(leftOut, ({ reason }) => reason);
  return table(
    ["QEMU's names", 'why'],
    [...groups].map(([reason, devices]) => [
      devices
        .map(({ name }) => `\`${name}\``)
        .toSorted(compare)
        .join(', '),
      reason,
    ]),
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function compare(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
