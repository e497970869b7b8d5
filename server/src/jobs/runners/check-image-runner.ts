import { DiskferryError } from '@diskferry/system/errors';
import { Type } from 'typebox';
import type { Catalog } from '../../catalog/catalog.ts';
import { titleOf } from '../../catalog/image.ts';
import type { JobRunner } from '../job-engine.ts';
import { IMAGE_WORD, imageOf } from './image-work.ts';
import { readSpec } from './spec.ts';

export const CHECK_IMAGE_SPEC = Type.Object({ image: IMAGE_WORD }, { additionalProperties: false });

/** Compares an image of the catalog with its checksum. */
export function checkImageRunner(catalog: Catalog): JobRunner {
  return {
    async check(spec) {
      return { imageId: (await imageOf(catalog, readSpec(CHECK_IMAGE_SPEC, spec).image)).id };
    },
    async run({ job, signal, onProgress }) {
      onProgress({ step: 'read the image' });
      const { id } = await imageOf(catalog, readSpec(CHECK_IMAGE_SPEC, job.spec).image);
      const image = await catalog.check(id, {
        signal,
        onProgress: (doneBytes, totalBytes) => onProgress({ doneBytes, totalBytes }),
      });
      if (image.state === 'ready') return { imageId: image.id, sha256: image.sha256 };
      throw new DiskferryError(
        'IMAGE_BAD',
        `the image ${titleOf(image)} is ${image.state}: ${image.problem ?? ''}`,
      );
    },
  };
}
