import { type Static, Type } from 'typebox';
import type { Catalog } from '../../catalog/catalog.ts';
import { titleOf } from '../../catalog/image.ts';
import type { JobRunner, JobWork } from '../job-engine.ts';
import {
  abandonHalfMade,
  FORMAT_WORD,
  IMAGE_WORD,
  imageOf,
  LOCATION_WORD,
  locationOf,
  makeImage,
  releaseImages,
  withImage,
} from './image-work.ts';
import { runDiskferry } from './run-diskferry.ts';
import { readSpec } from './spec.ts';

export const CONVERT_SPEC = Type.Object(
  {
    image: IMAGE_WORD,
    name: Type.Optional(
      Type.String({
        description: 'of the new image, which gets its next version; that of the old one if absent',
      }),
    ),
    location: LOCATION_WORD,
    format: FORMAT_WORD,
    size: Type.Optional(Type.Integer({ minimum: 1, description: 'bytes; that of the old one if absent' })),
    sectorSize: Type.Optional(Type.Enum([512, 4096])),
    gpt: Type.Optional(Type.Boolean({ description: 'make a GPT of an MBR' })),
    mode: Type.Optional(Type.Enum(['files', 'blocks', 'sectors'])),
    verify: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);

export interface ImageRunnerOptions {
  readonly catalog: Catalog;
  readonly runFolder: string;
}

/** Makes a new image of the catalog of another one: of another format or size, or for other sectors. */
export function convertRunner({ catalog, runFolder }: ImageRunnerOptions): JobRunner {
  return {
    async check(spec) {
      const { image, location } = readSpec(CONVERT_SPEC, spec);
      await locationOf(catalog, location);
      return { imageId: (await imageOf(catalog, image)).id };
    },
    async run(work) {
      const spec = readSpec(CONVERT_SPEC, work.job.spec);
      return withImage(catalog, work.job, spec.image, async (old) => {
        const { name = old.name, location, format = 'qcow2' } = spec;
        const origin = { kind: 'convert', job: work.job.id };
        const result = await makeImage(catalog, work, { name, location, format, origin }, (path) =>
          convert([old.path, path], { ...spec, format }, work, runFolder),
        );
        return { ...result, from: titleOf(old) };
      });
    },
    async recover(job) {
      await abandonHalfMade(catalog, job);
      await releaseImages(catalog, job);
    },
  };
}

async function convert(
  paths: readonly [old: string, fresh: string],
  { format = 'qcow2', size, sectorSize, gpt, mode = 'files', verify }: Static<typeof CONVERT_SPEC>,
  work: JobWork,
  runFolder: string,
): Promise<void> {
  const words = [
    '--format',
    format,
    '--mode',
    mode,
    ...(size === undefined ? [] : ['--size', String(size)]),
    ...(sectorSize === undefined ? [] : ['--sector-size', String(sectorSize)]),
    ...(gpt ? ['--gpt'] : []),
    ...(verify ? ['--verify'] : []),
  ];
  await runDiskferry(['convert', ...paths, ...words], work, runFolder);
}
