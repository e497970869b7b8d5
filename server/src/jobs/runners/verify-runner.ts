import { DiskferryError } from '@diskferry/system/errors';
import { CommandError } from '@diskferry/system/run';
import { type Static, Type } from 'typebox';
import { type Image, titleOf } from '../../catalog/image.ts';
import { type DiskComparison } from '../../transfer/compare-disks.ts';
import { sentenceOf } from '../../transfer/verification.ts';
import { AFTERWARDS } from '../afterwards.ts';
import type { JobFacts, JobRunner, JobWork } from '../job-engine.ts';
import {
  chooseDisk,
  computerFacts,
  releaseComputer,
  systemAfterReading,
  type TransferRunnerOptions,
  withComputer,
} from './computer-work.ts';
import { IMAGE_WORD, imageOf, releaseImages, withImage } from './image-work.ts';
import { runDiskferry } from './run-diskferry.ts';
import { readSpec } from './spec.ts';

export const VERIFY_SPEC = Type.Object(
  {
    image: IMAGE_WORD,
    computer: Type.Optional(Type.String({ description: 'id or name; its disk is compared with the image' })),
    disk: Type.Optional(Type.String({ description: 'such as "sda"; the only one if absent' })),
    other: Type.Optional(
      Type.String({ description: 'another image, as id or name and version, instead of a computer' }),
    ),
    afterwards: Type.Optional(Type.Enum(AFTERWARDS, { description: 'default: local-disk' })),
  },
  { additionalProperties: false },
);
type Spec = Static<typeof VERIFY_SPEC>;

/** Compares a disk of a computer, or another image, with an image of the catalog, file by file. Both are only read. */
export function verifyRunner(options: TransferRunnerOptions): JobRunner {
  const { catalog, registry } = options;
  return {
    async check(words) {
      const spec = readSpec(VERIFY_SPEC, words);
      const { computer, other } = spec;
      if ((computer === undefined) === (other === undefined)) {
        throw new DiskferryError(
          'JOB_SPEC',
          'this job cannot be done: say with what the image shall be compared, "computer" or "other"',
        );
      }
      const { id: imageId } = await imageOf(catalog, spec.image);
      if (other !== undefined) await imageOf(catalog, other);
      const facts: JobFacts = computer === undefined ? {} : await computerFacts(registry, computer);
      return { ...facts, imageId };
    },
    async run(work) {
      const spec = readSpec(VERIFY_SPEC, work.job.spec);
      return withImage(catalog, work.job, spec.image, (image) =>
        spec.computer === undefined
          ? verifyImage(options, work, image, spec)
          : verifyComputer(options, work, image, { ...spec, computer: spec.computer }),
      );
    },
    async recover(job) {
      await releaseImages(catalog, job);
      await releaseComputer(options, job);
    },
  };
}

async function verifyImage(
  { catalog, runFolder }: TransferRunnerOptions,
  work: JobWork,
  image: Image,
  { other = '' }: Spec,
): Promise<Readonly<Record<string, unknown>>> {
  return withImage(catalog, work.job, other, async (second) => {
    const outcome = await compare([image.path, second.path], work, runFolder);
    return resultOf(image, titleOf(second), outcome);
  });
}

async function verifyComputer(
  options: TransferRunnerOptions,
  work: JobWork,
  image: Image,
  spec: Spec & { readonly computer: string },
): Promise<Readonly<Record<string, unknown>>> {
  const { id: computerId } = await options.registry.get(spec.computer);
  const { afterwards = 'local-disk' } = spec;
  const computerWork = { computerId, afterwards, hasSystem: systemAfterReading(afterwards) };
  const { disk, outcome } = await withComputer(options, work, computerWork, async (computer) => {
    const chosen = chooseDisk(computer, spec.disk);
    const words = [image.path, `${chosen}@${computer.name}`] as const;
    return { disk: chosen, outcome: await compare(words, work, options.runFolder) };
  });
  return { ...resultOf(image, `the disk ${disk}`, outcome), computerId, disk };
}

/** What the comparison says, and as what it failed if there are differences. */
interface Outcome {
  readonly comparison: DiskComparison;
  readonly error?: DiskferryError;
}

/** @throws {DiskferryError} when they could not be compared */
async function compare(
  words: readonly [image: string, other: string],
  work: JobWork,
  runFolder: string,
): Promise<Outcome> {
  try {
    const comparison = await runDiskferry(['verify', ...words], work, runFolder);
    return { comparison: comparison as unknown as DiskComparison };
  } catch (error) {
    if (!(error instanceof DiskferryError) || error.code !== 'NOT_EQUAL') throw error;
    if (!(error.cause instanceof CommandError)) throw error;
    const comparison = JSON.parse(error.cause.stdout) as DiskComparison;
    for (const difference of comparison.differences) work.log(sentenceOf(difference));
    return { comparison, error };
  }
}

/** @throws {DiskferryError} `NOT_EQUAL` */
function resultOf(
  image: Image,
  other: string,
  { comparison: { volumes, settings, differences }, error }: Outcome,
): Readonly<Record<string, unknown>> {
  if (error !== undefined) {
    throw new DiskferryError(
      error.code,
      `${other} differs from the image ${titleOf(image)} in ${differences.length} properties, which are in the log`,
      { cause: error },
    );
  }
  return {
    imageId: image.id,
    image: titleOf(image),
    equal: true,
    partitions: volumes.length,
    settings: settings.map(sentenceOf),
  };
}
