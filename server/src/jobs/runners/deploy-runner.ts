import { type Static, Type } from 'typebox';
import { titleOf } from '../../catalog/image.ts';
import { AFTERWARDS } from '../afterwards.ts';
import type { JobRunner, JobWork, WorkProgress } from '../job-engine.ts';
import {
  actorOf,
  chooseDisk,
  computerFacts,
  releaseComputer,
  type TransferRunnerOptions,
  withComputer,
} from './computer-work.ts';
import { IMAGE_WORD, imageOf, releaseImages, withImage } from './image-work.ts';
import { runDiskferry } from './run-diskferry.ts';
import { readSpec } from './spec.ts';

export const DEPLOY_SPEC = Type.Object(
  {
    image: IMAGE_WORD,
    computer: Type.String({ description: 'id or name' }),
    disk: Type.Optional(Type.String({ description: 'such as "sda"; the only one if absent' })),
    overwrite: Type.Optional(
      Type.Boolean({ description: 'what is on the disk may be lost; refused otherwise' }),
    ),
    mode: Type.Optional(Type.Enum(['files', 'blocks', 'sectors'])),
    verify: Type.Optional(Type.Boolean()),
    afterwards: Type.Optional(Type.Enum(AFTERWARDS, { description: 'default: local-disk' })),
  },
  { additionalProperties: false },
);

/** Deploys an image of the catalog onto a disk of a computer. */
export function deployRunner(options: TransferRunnerOptions): JobRunner {
  const { catalog, registry } = options;
  return {
    async check(spec) {
      const { computer, image } = readSpec(DEPLOY_SPEC, spec);
      const { id: imageId } = await imageOf(catalog, image);
      return { ...(await computerFacts(registry, computer)), imageId };
    },
    run: (work) => deploy(options, work, readSpec(DEPLOY_SPEC, work.job.spec)),
    async recover(job) {
      await releaseImages(catalog, job);
      await releaseComputer(options, job);
    },
  };
}

async function deploy(
  options: TransferRunnerOptions,
  work: JobWork,
  spec: Static<typeof DEPLOY_SPEC>,
): Promise<Readonly<Record<string, unknown>>> {
  const { catalog, registry } = options;
  const { id: computerId } = await registry.get(spec.computer);
  return withImage(catalog, work.job, spec.image, async (image) => {
    const { afterwards = 'local-disk' } = spec;
    const writing = new WriteWatch();
    const computerWork = {
      computerId,
      afterwards,
      // A disk that is half written has no system.
      hasSystem: (had: boolean, succeeded: boolean) => succeeded || (had && !writing.hasBegun),
    };
    return withComputer(options, work, computerWork, async (computer) => {
      const disk = chooseDisk(computer, spec.disk);
      const words = [
        '--mode',
        spec.mode ?? 'files',
        ...(spec.overwrite ? ['--yes'] : []),
        ...(spec.verify ? ['--verify'] : []),
      ];
      await registry.noteDiskWork(computerId, {
        actor: actorOf(work.job),
        message: `From now on its disk ${disk} may be written; what was on it is lost then.`,
      });
      await runDiskferry(
        ['deploy', image.path, `${disk}@${computer.name}`, ...words],
        { ...work, onProgress: (progress) => work.onProgress(writing.see(progress)) },
        options.runFolder,
      );
      return { imageId: image.id, image: titleOf(image), computerId, disk };
    });
  });
}

/** Tells by the progress of a transfer whether its destination may have been written. */
class WriteWatch {
  readonly #steps = new Set<string>();

  see(progress: WorkProgress): WorkProgress {
    if (progress.step !== undefined) this.#steps.add(progress.step);
    return progress;
  }

  /** The first step opens the destination, and the second one begins to write (see `transferSteps`). */
  get hasBegun(): boolean {
    return this.#steps.size > 1;
  }
}
