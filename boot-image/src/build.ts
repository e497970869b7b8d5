import { join } from 'node:path';
import { messageOf } from '@diskferry/system/errors';
import { formatDuration } from '@diskferry/system/units';
import { buildBootImage } from './boot-image.ts';
import { sourceDateEpoch } from './epoch.ts';
import { cacheFolder, DIST_FOLDER } from './locations.ts';
import { formatSizes } from './size-table.ts';

const begin = performance.now();
const elapsed = (): string => formatDuration(performance.now() - begin);

try {
  const image = await buildBootImage({
    client: join(DIST_FOLDER, 'imaging-client'),
    distFolder: DIST_FOLDER,
    cacheFolder: cacheFolder(),
    epoch: sourceDateEpoch(),
    onStep: (step) => console.log(`[${elapsed().padStart(4)}] ${step}`),
  });
  console.log(`\n${formatSizes(image.sizes)}\n`);
  const { drivers, firmware } = image.leftOut;
  console.log(
    `left out: ${drivers.length} storage and network drivers, ${firmware.length} firmware files; see dist/boot-image.left-out.txt`,
  );
  console.log(`${image.iso} is ready after ${elapsed()}`);
} catch (error) {
  console.error(`boot-image: ${messageOf(error)}`);
  process.exitCode = 1;
}
