import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { DiskferryError, messageOf, UsageError } from '@diskferry/system/errors';
import { cacheFolder, DIST_FOLDER } from '../locations.ts';
import { type Checkout, openCheckout } from './checkout.ts';
import { compile } from './compile.ts';
import { configureKernel, loadDefconfig } from './configure.ts';
import { describeLoss, type LostOption } from './lost-options.ts';
import { makeArtefacts } from './artefacts.ts';
import { publishArtefacts } from './publish.ts';

const HELP = `Usage: npm run boot-image:buildroot -- --buildroot PATH [--output DIR] [--jobs N]
       npm run boot-image:buildroot -- --buildroot PATH --check
       npm run boot-image:buildroot -- --check-kernel PATH
Builds the boot CD and the PXE files from sources, with Buildroot. "npm run client"
must have made the imaging client. The first build takes an hour or more.

  --buildroot PATH     an unpacked release or checkout of Buildroot
  --output DIR         where the media go (default: dist)
  --work DIR           Buildroot's output folder, kept for the next build
                       (default: ~/.cache/diskferry/buildroot)
  --jobs N             how many programs are compiled at a time (default: as processors)
  --check              only load the defconfig, and see that Buildroot keeps every option
  --check-kernel PATH  only configure that Linux source tree by the fragments, and see
                       that the kernel keeps every option

It fails, with a list, when an option of the defconfig, of a kernel fragment or of the
BusyBox fragment got lost.
`;

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

const interrupt = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => interrupt.abort());

try {
  await act(parseOptions());
} catch (error) {
  process.stderr.write(`boot-image: ${messageOf(error)}\n`);
  process.exitCode = exitCodeOf(error);
}

function exitCodeOf(error: unknown): number {
  if (interrupt.signal.aborted) return EXIT_INTERRUPTED;
  return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
}

type Options = ReturnType<typeof parseOptions>;

function parseOptions() {
  const value = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    const options = {
      buildroot: value,
      output: value,
      work: value,
      jobs: value,
      check: flag,
      'check-kernel': value,
      // For board/diskferry/post-image.sh: makes the media of Buildroot's images in this folder.
      'post-image': value,
      help: flag,
    } as const;
    return parseArgs({ options }).values;
  } catch (error) {
    throw new UsageError(`${messageOf(error)}; see npm run boot-image:buildroot -- --help`);
  }
}

async function act(options: Options): Promise<void> {
  const work = resolve(options.work ?? join(cacheFolder(), 'buildroot'));
  const signal = interrupt.signal;
  if (options.help === true) return say(HELP.trimEnd());
  if (options['check-kernel'] !== undefined) {
    requireNothingLost(await configureKernel(resolve(options['check-kernel']), signal));
    return say('the kernel keeps every option of the fragments');
  }
  if (options['post-image'] !== undefined) {
    const imagesFolder = resolve(options['post-image']);
    return say(await makeArtefacts({ imagesFolder, outputFolder: work, onLost: requireNothingLost }));
  }
  if (options.buildroot === undefined) {
    throw new UsageError('--buildroot PATH is missing; see npm run boot-image:buildroot -- --help');
  }
  const jobs = jobsOf(options.jobs);
  const checkout = await openCheckout(options.buildroot);
  requireNothingLost(await loadDefconfig(checkout, work, signal));
  say(`Buildroot ${checkout.version} keeps every option of the defconfig`);
  if (options.check !== true)
    await build(checkout, { work, jobs, output: resolve(options.output ?? DIST_FOLDER) });
}

async function build(
  checkout: Checkout,
  { work, jobs, output }: { work: string; jobs: number; output: string },
): Promise<void> {
  say(`building with Buildroot ${checkout.version} in ${work}`);
  const onLog = (path: string): void => say(`what it says: tail -f ${path}`);
  await compile({ outputFolder: work, jobs, signal: interrupt.signal, onLog });
  await publishArtefacts(join(work, 'images'), output);
  say(`${join(output, 'diskferry.iso')} is ready`);
}

function jobsOf(text: string | undefined): number {
  if (text === undefined) return availableParallelism();
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new UsageError(`--jobs ${text}: it must be a number from 1 to 9999`);
}

/** @throws {DiskferryError} `OPTIONS_LOST` with one line an option */
function requireNothingLost(lost: readonly LostOption[]): void {
  if (lost.length === 0) return;
  throw new DiskferryError(
    'OPTIONS_LOST',
    `${lost.length} ${lost.length === 1 ? 'option' : 'options'} got lost; correct the names, or add what they depend on:\n${lost.map(describeLoss).join('\n')}`,
  );
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
