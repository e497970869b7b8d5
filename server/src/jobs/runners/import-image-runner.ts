import { Type } from 'typebox';
import type { Catalog } from '../../catalog/catalog.ts';
import { titleOf } from '../../catalog/image.ts';
import type { JobRunner } from '../job-engine.ts';
import { FORMAT_WORD } from './image-work.ts';
import { readSpec } from './spec.ts';

export const IMPORT_IMAGE_SPEC = Type.Object(
  {
    name: Type.String({ description: 'of the image' }),
    location: Type.String({ description: 'id of the location in which the file is' }),
    file: Type.String({ description: 'path within its folder' }),
    to: Type.Optional(
      Type.String({ description: 'id of the location that gets a copy; without it, it stays' }),
    ),
    format: FORMAT_WORD,
  },
  { additionalProperties: false },
);

/** Brings a virtual disk file that is there already into the catalog. */
export function importImageRunner(catalog: Catalog): JobRunner {
  return {
    async check(spec) {
      await catalog.locations.get(readSpec(IMPORT_IMAGE_SPEC, spec).location);
      return {};
    },
    async run({ job, signal, onProgress }) {
      const { location, file, ...wishes } = readSpec(IMPORT_IMAGE_SPEC, job.spec);
      onProgress({ step: 'read the file' });
      const image = await catalog.import(
        { ...wishes, from: { locationId: location, file }, origin: { job: job.id } },
        { signal, onProgress: (doneBytes, totalBytes) => onProgress({ doneBytes, totalBytes }) },
      );
      return { imageId: image.id, image: titleOf(image), sha256: image.sha256 };
    },
  };
}
