import { DiskferryError, messageOf } from '@diskferry/system/errors';
import { type Static, Type } from 'typebox';
import { titleOf } from '../../catalog/image.ts';
import type { JobRunner } from '../job-engine.ts';
import type { ImageRunnerOptions } from './convert-runner.ts';
import { IMAGE_WORD, imageOf, releaseImages, withImage } from './image-work.ts';
import { runDiskferry } from './run-diskferry.ts';
import { readSpec } from './spec.ts';

export const BOOT_PROOF_SPEC = Type.Object(
  {
    image: IMAGE_WORD,
    firmware: Type.Optional(
      Type.Enum(['bios', 'uefi'], { description: 'what its partition table says if absent' }),
    ),
    expect: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        description: 'regular expression for the serial console; "login:" if absent',
      }),
    ),
    timeoutSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 7200, description: 'default: 300' })),
  },
  { additionalProperties: false },
);

/** Boots an image of the catalog in QEMU on a redo log and waits for its prompt. The image is not changed. */
export function bootProofRunner({ catalog, runFolder }: ImageRunnerOptions): JobRunner {
  return {
    async check(spec) {
      const { image, expect } = readSpec(BOOT_PROOF_SPEC, spec);
      if (expect !== undefined) requireExpression(expect);
      return { imageId: (await imageOf(catalog, image)).id };
    },
    async run(work) {
      const spec = readSpec(BOOT_PROOF_SPEC, work.job.spec);
      return withImage(catalog, work.job, spec.image, async (image) => {
        work.onProgress({ step: 'boot the image in QEMU and wait for its prompt' });
        const words = ['boot', image.path, ...optionsOf(spec)];
        const proof = await runDiskferry(words, work, runFolder, { tellsProgress: false });
        const { firmware, seconds, redoLogBytes, lastLines } = proof;
        return {
          imageId: image.id,
          image: titleOf(image),
          boots: true,
          firmware,
          seconds,
          redoLogBytes,
          lastLines,
        };
      });
    },
    recover: (job) => releaseImages(catalog, job),
  };
}

/** @throws {DiskferryError} `JOB_SPEC` */
function requireExpression(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new DiskferryError('JOB_SPEC', `this job cannot be done: "expect": ${messageOf(error)}`);
  }
}

function optionsOf({ firmware, expect, timeoutSeconds }: Static<typeof BOOT_PROOF_SPEC>): string[] {
  return [
    ...(firmware === undefined ? [] : ['--firmware', firmware]),
    // One word: what begins with a dash is no option of ours then.
    ...(expect === undefined ? [] : [`--expect=${expect}`]),
    ...(timeoutSeconds === undefined ? [] : ['--timeout', String(timeoutSeconds)]),
  ];
}
