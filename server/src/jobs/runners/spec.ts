import { DiskferryError } from '@diskferry/system/errors';
import type { Static, TObject } from 'typebox';
import { Value } from 'typebox/value';

/**
 * Reads the spec of a job.
 *
 * @throws {DiskferryError} `JOB_SPEC`, naming each word that is wrong
 */
export function readSpec<T extends TObject>(schema: T, spec: unknown): Static<T> {
  if (Value.Check(schema, spec)) return spec;
  const mistakes = Value.Errors(schema, spec)
    .filter(({ keyword }) => keyword !== 'additionalProperties')
    .map(({ keyword, instancePath, message }) => {
      const name = instancePath.slice(1).replaceAll('/', '.') || 'the job';
      return keyword === 'boolean' ? `"${name}" is not known` : `"${name}" ${message}`;
    });
  throw new DiskferryError('JOB_SPEC', `this job cannot be done: ${mistakes.join('; ')}`);
}
