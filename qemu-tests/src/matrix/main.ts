import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf, UsageError } from '@diskferry/system/errors';
import { cleanUp, openSession } from '@diskferry/system/session';
import { extendPath } from '@diskferry/system/tools';
import { formatDuration } from '@diskferry/system/units';
import { cacheFolder } from '../source-computers/cache.ts';
import { makeCatalog } from './catalog.ts';
import type { CellResult } from './cell-result.ts';
import { allCells, type Cell } from './cells.ts';
import { bootWithModels } from './driver-boot.ts';
import { formatTables, type PageFacts, replaceTables } from './hardware-page.ts';
import { type MatrixMedia, readMedia } from './media.ts';
import { readModuleAliases } from './module-lists.ts';
import { bootMedium } from './medium-boot.ts';
import { listDevices } from './qemu-devices.ts';
import { ResultStore } from './result-store.ts';
import { runCells } from './run-cells.ts';

const PAGE = join(import.meta.dirname, '../../../docs/hardware.md');
const DEFAULT_MINUTES = 60;
const MINUTE_MS = 60_000;
const EXIT = { passed: 0, failed: 1, usage: 2, timeOver: 3, interrupted: 130 } as const;

const HELP = `Usage: scripts/test --matrix [OPTION]...
Starts the media of dist in every way that QEMU knows, with every network card and every disk controller of QEMU, as root,
and writes what it saw into docs/hardware.md. A run goes on where the last one with the same media ended; what
failed is tried again.

  --time MINUTES  starts no machine after that; ${DEFAULT_MINUTES} by default
  --only WORD     only cells with that word in their names, such as pxe or e1000; can be given several times
  --list          prints the cells and what is known of them, and starts nothing
  --folder DIR    where results are kept; ~/.cache/diskferry/matrix by default

Exit codes: ${EXIT.passed} all cells have passed, ${EXIT.failed} some failed, ${EXIT.usage} wrong usage, ${EXIT.timeOver} time was over before all were done: run it again,
${EXIT.interrupted} ended by Ctrl-C.
`;

interface Options {
  readonly minutes: number;
  readonly only: readonly string[];
  readonly list: boolean;
  readonly folder: string;
}

const interruption = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => interruption.abort(new Error('interrupted')));
}

try {
  const options = readOptions();
  if (options === undefined) say(HELP.trimEnd());
  else process.exitCode = await runMatrix(options);
} catch (error) {
  if (interruption.signal.aborted) process.exitCode = EXIT.interrupted;
  else {
    process.stderr.write(`matrix: ${messageOf(error)}\n`);
    process.exitCode = error instanceof UsageError ? EXIT.usage : EXIT.failed;
  }
}

/** Undefined where somebody asks for help. */
function readOptions(): Options | undefined {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const only = { type: 'string', multiple: true } as const;
  try {
    const { values } = parseArgs({ options: { time: text, only, list: flag, folder: text, help: flag } });
    if (values.help === true) return undefined;
    const minutes = Number(values.time ?? DEFAULT_MINUTES);
    if (!(minutes > 0)) throw new UsageError(`--time ${values.time} is no number of minutes`);
    const folder = values.folder ?? join(cacheFolder(), 'matrix');
    return { minutes, only: values.only ?? [], list: values.list ?? false, folder };
  } catch (error) {
    throw new UsageError(`${messageOf(error)}; see scripts/test --matrix --help`);
  }
}

async function runMatrix({ minutes, only, list, folder }: Options): Promise<number> {
  const end = Date.now() + minutes * MINUTE_MS;
  extendPath();
  const media = await readMedia();
  const catalog = makeCatalog(await listDevices());
  const store = new ResultStore(folder, media.key);
  const cells = allCells(catalog);
  const chosen = cells.filter(({ name }) => only.length === 0 || only.some((word) => name.includes(word)));
  if (chosen.length === 0) throw new UsageError(`no cell has ${only.join(' or ')} in its name`);
  if (list) {
    for (const { name } of chosen) say(describe(name, store.read(name)));
    return EXIT.passed;
  }
  if (process.getuid?.() !== 0) throw new UsageError('run it as root: PXE needs networks of its own');
  say(`QEMU ${media.qemu}, Linux ${media.kernel}; results in ${store.folder}`);
  await run(inOrder(chosen, store), { media, store, isOver: () => Date.now() > end });
  if (cells.every(({ name }) => store.read(name) !== undefined)) await writePage({ catalog, media, store });
  return verdict(
    chosen.map(({ name }) => store.read(name)),
    catalog.unknown,
  );
}

interface Run {
  readonly media: MatrixMedia;
  readonly store: ResultStore;
  readonly isOver: () => boolean;
}

/** Starts machines until all is done or time is over, and keeps each result as soon as it is there. */
async function run(cells: readonly Cell[], { media, store, isOver }: Run): Promise<void> {
  await cleanUp();
  await using session = openSession('matrix');
  const aliases = await readModuleAliases(media.kernel);
  const { signal } = interruption;
  await runCells(cells, {
    bootModels: async (models) => {
      const name = `matrix-${models.length === 1 ? models[0]?.name : 'models'}`;
      return bootWithModels({ name, session, models, media, aliases, signal });
    },
    bootMedium: async (cell) => bootMedium(cell, session, signal),
    onStart: (names) => say(`starting a machine for ${names.join(', ')}`),
    onResult: (name, result) => {
      store.write(name, result);
      say(`  ${describe(name, result)}`);
    },
    isOver,
    signal,
  });
}

async function writePage({
  store,
  ...facts
}: Omit<PageFacts, 'resultOf'> & { readonly store: ResultStore }): Promise<void> {
  const tables = formatTables({ ...facts, resultOf: (name) => store.read(name) });
  await writeFile(PAGE, replaceTables(await readFile(PAGE, 'utf8'), tables));
  say('all cells are known: docs/hardware.md is written');
}

/** What is missing first, then what failed; what has passed is not done again. */
function inOrder(cells: readonly Cell[], store: ResultStore): Cell[] {
  const missing = cells.filter(({ name }) => store.read(name) === undefined);
  const failed = cells.filter(({ name }) => store.read(name)?.state === 'failed');
  return [...missing, ...failed];
}

/** @param unknown devices that the matrix cannot test; they count as failed */
function verdict(results: readonly (CellResult | undefined)[], unknown: readonly string[]): number {
  const missing = results.filter((result) => result === undefined).length;
  const failed = results.filter((result) => result?.state === 'failed').length;
  const good = results.length - missing - failed;
  say(
    `${results.length} cells: ${good} as they should be, ${failed} failed, ${missing} not done (${formatDuration(performance.now())})`,
  );
  if (unknown.length > 0)
    say(`QEMU has devices that qemu-tests/src/matrix does not know: ${unknown.join(', ')}`);
  if (failed + unknown.length > 0) return EXIT.failed;
  if (missing === 0) return EXIT.passed;
  say('time is over; run the same command again to go on');
  return EXIT.timeOver;
}

function describe(name: string, result: CellResult | undefined): string {
  if (result === undefined) return `${name}: not done`;
  const words = [name, result.state, ...(result.modules ?? [])].join(' ');
  return result.reason === undefined ? words : `${words}: ${result.reason}`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
