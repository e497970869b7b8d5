import { Type } from 'typebox';
import type { JobRunner } from '../job-engine.ts';
import { computerFacts, type ComputerWorkOptions } from './computer-work.ts';
import { readSpec } from './spec.ts';

export const INVENTORY_SPEC = Type.Object(
  { computer: Type.String({ description: 'id or name' }) },
  { additionalProperties: false },
);

/** Asks a computer on standby what it is made of, and writes it down. It stays in its state. */
export function inventoryRunner({ registry, fleet }: Omit<ComputerWorkOptions, 'runFolder'>): JobRunner {
  return {
    check: async (spec) => computerFacts(registry, readSpec(INVENTORY_SPEC, spec).computer),
    async run({ job, signal, onProgress }) {
      const { id } = await registry.get(readSpec(INVENTORY_SPEC, job.spec).computer);
      onProgress({ step: 'wait for the computer' });
      const { link, address, enrolment, fingerprint } = await fleet.await(id, signal);
      const { inventory } = await link.ask({ type: 'get-inventory' });
      await registry.seen({
        inventory,
        address,
        enrolment: enrolment.name,
        via: 'control',
        key: fingerprint,
      });
      return { disks: inventory.disks.length, memoryBytes: inventory.memoryBytes };
    },
  };
}
