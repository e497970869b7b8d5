import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf, UsageError } from '@diskferry/system/errors';
import { formatDuration } from '@diskferry/system/units';
import { buildBootImage } from './boot-image.ts';
import { sourceDateEpoch } from './epoch.ts';
import { cacheFolder, DIST_FOLDER } from './locations.ts';
import { readMediumSettings, type SettingsOptions } from '@diskferry/system/medium/medium-settings';
import { formatSizes } from './size-table.ts';

const HELP = `Usage: npm run boot-image -- [OPTION]...
Builds the boot CD and the files for the network into dist.

  --server HOST:PORT  the computers dial this imaging server ("diskferry serve")
  --ca FILE           certificate of the server's authority
  --enrolment FILE    the secret that admits them
  --extra-drivers     put all storage and network drivers of the kernel into the initrd, not only those
                      of the lists in boot-image/drivers; else they are in dist/pxe/extra-drivers, which a
                      boot loader loads as a second initrd
  --firmware PACKAGE  put the firmware files of a Debian package into the initrd, such as firmware-bnx2; can
                      be given several times. Most are in "non-free-firmware": apt must know that archive

"diskferry enrol NAME" makes the two files. Whoever has such a medium can enrol a
computer: keep it, and the files in dist, as you keep keys.
`;

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

const begin = performance.now();
const elapsed = (): string => formatDuration(performance.now() - begin);

try {
  const { help, ...options } = parseOptions();
  if (help === true) process.stdout.write(HELP);
  else await build(options);
} catch (error) {
  console.error(`boot-image: ${messageOf(error)}`);
  process.exitCode = error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
}

interface BuildOptions extends SettingsOptions {
  readonly 'extra-drivers'?: boolean | undefined;
  readonly firmware?: string[] | undefined;
}

function parseOptions(): BuildOptions & { readonly help?: boolean | undefined } {
  const value = { type: 'string' } as const;
  try {
    const flag = { type: 'boolean' } as const;
    const firmware = { type: 'string', multiple: true } as const;
    const options = {
      server: value,
      ca: value,
      enrolment: value,
      'extra-drivers': flag,
      firmware,
      help: flag,
    };
    return parseArgs({ options }).values;
  } catch (error) {
    throw new UsageError(`${messageOf(error)}; see npm run boot-image -- --help`);
  }
}

async function build(options: BuildOptions): Promise<void> {
  const settings = await readMediumSettings(options);
  const image = await buildBootImage({
    client: join(DIST_FOLDER, 'imaging-client'),
    distFolder: DIST_FOLDER,
    cacheFolder: cacheFolder(),
    epoch: sourceDateEpoch(),
    settings,
    extraDrivers: options['extra-drivers'] ?? false,
    firmware: options.firmware ?? [],
    onStep: (step) => console.log(`[${elapsed().padStart(4)}] ${step}`),
  });
  console.log(`\n${formatSizes(image.sizes)}\n`);
  const { drivers, firmware } = image.leftOut;
  console.log(
    `left out: ${drivers.length} storage and network drivers, ${firmware.length} firmware files; see dist/boot-image.left-out.txt`,
  );
  if (settings !== undefined) console.log(`computers that start from it dial ${settings.server}`);
  console.log(`${image.iso} is ready after ${elapsed()}`);
}
