import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { Coverage } from './coverage.ts';

describe('the coverage of a range', () => {
  test('agrees with a list of bytes, whatever comes in whatever order', () => {
    const length = 24;
    const part = fc.tuple(fc.nat(length - 1), fc.integer({ min: 1, max: 8 }));
    fc.assert(
      fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
        const coverage = new Coverage();
        const bytes = Array.from({ length }, () => false);
        for (const [start, size] of parts) {
          const end = Math.min(start + size, length);
          const isFree = !bytes.slice(start, end).includes(true);
          assert.equal(coverage.add(start, end), isFree);
          if (isFree) bytes.fill(true, start, end);
          assert.equal(coverage.isComplete(length), !bytes.includes(false));
        }
      }),
      { numRuns: 1000 },
    );
  });
});
