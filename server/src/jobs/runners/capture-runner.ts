import { messageOf } from '@diskferry/system/errors';
import { type Static, Type } from 'typebox';
import type { Catalog } from '../../catalog/catalog.ts';
import { RefusedError } from '../../refused-error.ts';
import { titleOf } from '../../catalog/image.ts';
import type { JobRunner, JobWork } from '../job-engine.ts';
import {
  AFTERWARDS,
  chooseDisk,
  computerFacts,
  releaseComputer,
  systemAfterReading,
  type TransferRunnerOptions,
  withComputer,
} from './computer-work.ts';
import { runDiskferry } from './run-diskferry.ts';
import { readSpec } from './spec.ts';

const SPEC = Type.Object(
  {
    computer: Type.String({ description: 'id or name' }),
    disk: Type.Optional(Type.String({ description: 'such as "sda"; the only one if absent' })),
    image: Type.String({ description: 'name of the image; it gets the next version of this name' }),
    location: Type.Optional(Type.String({ description: 'id or name; the only one if absent' })),
    format: Type.Optional(Type.Enum(['qcow2', 'raw', 'vmdk', 'vhdx', 'vdi'])),
    mode: Type.Optional(Type.Enum(['files', 'blocks', 'sectors'])),
    verify: Type.Optional(Type.Boolean()),
    afterwards: Type.Optional(Type.Enum(AFTERWARDS, { description: 'default: local-disk' })),
  },
  { additionalProperties: false },
);

/** Captures a disk of a computer into a new image of the catalog. */
export function captureRunner(options: TransferRunnerOptions): JobRunner {
  const { catalog, registry } = options;
  return {
    async check(spec) {
      const { computer, location } = readSpec(SPEC, spec);
      await locationOf(catalog, location);
      return computerFacts(registry, computer);
    },
    run: (work) => capture(options, work, readSpec(SPEC, work.job.spec)),
    async recover(job) {
      const { images } = await catalog.list({ job: job.id, states: ['importing'] });
      for (const { id } of images) await catalog.abandon(id, 'the server died while it was made');
      await releaseComputer(options, job);
    },
  };
}

async function capture(
  options: TransferRunnerOptions,
  work: JobWork,
  spec: Static<typeof SPEC>,
): Promise<Readonly<Record<string, unknown>>> {
  const { catalog, registry } = options;
  const { id: computerId } = await registry.get(spec.computer);
  const { afterwards = 'local-disk', format = 'qcow2' } = spec;
  const computerWork = { computerId, afterwards, hasSystem: systemAfterReading(afterwards) };
  return withComputer(options, work, computerWork, async (computer) => {
    const disk = chooseDisk(computer, spec.disk);
    const location = await locationOf(catalog, spec.location);
    const origin = { kind: 'capture', computer: computerId, disk, job: work.job.id };
    const image = await catalog.reserve({ name: spec.image, locationId: location.id, format, origin });
    try {
      const words = [
        '--format',
        format,
        '--mode',
        spec.mode ?? 'files',
        ...(spec.verify ? ['--verify'] : []),
      ];
      await runDiskferry(
        ['capture', `${disk}@${computer.name}`, image.path, ...words],
        work,
        options.runFolder,
      );
      work.onProgress({ step: 'check the image' });
      const { virtualSize, sha256 } = await catalog.finish(image.id, { signal: work.signal });
      return { imageId: image.id, image: titleOf(image), virtualSize, sha256 };
    } catch (error) {
      // Where its location is away, the catalog removes it later.
      await catalog
        .abandon(image.id, 'its capture has failed')
        .catch((failure: unknown) => work.log(messageOf(failure)));
      throw error;
    }
  });
}

/** @throws {RefusedError} `LOCATION_MISSING`, `LOCATION_UNCLEAR` */
async function locationOf(catalog: Catalog, wanted: string | undefined): Promise<{ readonly id: string }> {
  const all = await catalog.locations.list();
  const names = all.map(({ name }) => name).join(', ') || 'none';
  if (wanted !== undefined) {
    const found = all.find(({ id, name }) => id === wanted || name === wanted);
    if (found !== undefined) return found;
    throw new RefusedError('LOCATION_MISSING', `there is no location ${wanted}; there are: ${names}`);
  }
  const [location, ...others] = all;
  if (location !== undefined && others.length === 0) return location;
  throw new RefusedError('LOCATION_UNCLEAR', `say in which location the image shall be; there are: ${names}`);
}
