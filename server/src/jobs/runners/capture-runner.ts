import { type Static, Type } from 'typebox';
import { AFTERWARDS } from '../afterwards.ts';
import type { JobRunner, JobWork } from '../job-engine.ts';
import {
  chooseDisk,
  computerFacts,
  releaseComputer,
  systemAfterReading,
  type TransferRunnerOptions,
  withComputer,
} from './computer-work.ts';
import { abandonHalfMade, FORMAT_WORD, LOCATION_WORD, locationOf, makeImage } from './image-work.ts';
import { runDiskferry } from './run-diskferry.ts';
import { readSpec } from './spec.ts';

export const CAPTURE_SPEC = Type.Object(
  {
    computer: Type.String({ description: 'id or name' }),
    disk: Type.Optional(Type.String({ description: 'such as "sda"; the only one if absent' })),
    image: Type.String({ description: 'name of the image; it gets the next version of this name' }),
    location: LOCATION_WORD,
    format: FORMAT_WORD,
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
      const { computer, location } = readSpec(CAPTURE_SPEC, spec);
      await locationOf(catalog, location);
      return computerFacts(registry, computer);
    },
    run: (work) => capture(options, work, readSpec(CAPTURE_SPEC, work.job.spec)),
    async recover(job) {
      await abandonHalfMade(catalog, job);
      await releaseComputer(options, job);
    },
  };
}

async function capture(
  options: TransferRunnerOptions,
  work: JobWork,
  spec: Static<typeof CAPTURE_SPEC>,
): Promise<Readonly<Record<string, unknown>>> {
  const { catalog, registry } = options;
  const { id: computerId } = await registry.get(spec.computer);
  const { afterwards = 'local-disk', format = 'qcow2' } = spec;
  const computerWork = { computerId, afterwards, hasSystem: systemAfterReading(afterwards) };
  return withComputer(options, work, computerWork, async (computer) => {
    const disk = chooseDisk(computer, spec.disk);
    const origin = { kind: 'capture', computer: computerId, disk, job: work.job.id };
    const image = { name: spec.image, location: spec.location, format, origin };
    const words = ['--format', format, '--mode', spec.mode ?? 'files', ...(spec.verify ? ['--verify'] : [])];
    return makeImage(catalog, work, image, async (path) => {
      await runDiskferry(['capture', `${disk}@${computer.name}`, path, ...words], work, options.runFolder);
    });
  });
}
