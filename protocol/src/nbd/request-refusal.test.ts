import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { COMMAND, COMMAND_FLAG, ERROR } from './constants.ts';
import { MAX_PAYLOAD_BYTES } from './limits.ts';
import { type Agreement, refusalOf } from './request-refusal.ts';
import type { Request } from './requests.ts';
import { servedExport } from './served-export.ts';
import { altered, memoryDisk } from './testing/server-setup.ts';

const SIZE = 64 * 2 ** 30;
const { READ, WRITE, TRIM, CACHE, WRITE_ZEROES, FLUSH, BLOCK_STATUS } = COMMAND;
const { FUA, NO_HOLE, DF, FAST_ZERO, REQ_ONE, PAYLOAD_LEN } = COMMAND_FLAG;
const contexts = [{ id: 1, name: 'base:allocation' }];
const AWARE: Agreement = { replies: 'structured', blockSizes: true, contexts };
const EXTENDED: Agreement = { ...AWARE, replies: 'extended' };
const PLAIN: Agreement = { replies: 'simple', blockSizes: false, contexts: [] };

interface Case {
  readonly sector?: number;
  readonly readOnly?: boolean;
  readonly agreement?: Agreement;
}

function errorOf(
  fields: Partial<Request>,
  { sector = 512, readOnly = false, agreement = AWARE }: Case = {},
): number {
  const small = memoryDisk(0, { sectorSize: { logical: sector, physical: 4096 }, readOnly });
  const served = servedExport({ name: 'sda', description: '', disk: altered(small, { size: SIZE }) });
  const request = { flags: 0, type: READ, cookie: 1n, offset: 0, length: 4096, ...fields };
  const refusal = refusalOf(request, served, agreement);
  if (refusal !== undefined) assert.notEqual(refusal.message, '');
  return refusal?.error ?? 0;
}

describe('a server refuses', () => {
  test('commands that it does not know, EINVAL', () => {
    for (const type of [8, 9, 0xffff]) assert.equal(errorOf({ type }), ERROR.EINVAL);
  });

  test('flags that have no meaning with the command, EINVAL; FUA has one with all', () => {
    assert.equal(errorOf({ flags: NO_HOLE }), ERROR.EINVAL);
    assert.equal(errorOf({ flags: 0x8000 }), ERROR.EINVAL);
    assert.equal(errorOf({ flags: FAST_ZERO }), ERROR.EINVAL);
    assert.equal(errorOf({ type: TRIM, flags: REQ_ONE }), ERROR.EINVAL);
    assert.equal(errorOf({ type: WRITE_ZEROES, flags: NO_HOLE | FAST_ZERO | FUA }), 0);
    assert.equal(errorOf({ type: BLOCK_STATUS, flags: REQ_ONE | FUA }), 0);
    for (const type of [READ, WRITE, TRIM, CACHE, WRITE_ZEROES, FLUSH, BLOCK_STATUS])
      assert.equal(errorOf({ type, flags: FUA }), 0);
  });

  test('"do not fragment" without structured replies, EINVAL', () => {
    assert.equal(errorOf({ flags: DF }), 0);
    assert.equal(errorOf({ flags: DF }, { agreement: PLAIN }), ERROR.EINVAL);
  });

  test('payloads that are not announced as extended headers demand, and announced ones without, EINVAL', () => {
    const type = WRITE;
    assert.equal(errorOf({ type, flags: PAYLOAD_LEN }, { agreement: EXTENDED }), 0);
    assert.equal(errorOf({ type }, { agreement: EXTENDED }), ERROR.EINVAL);
    assert.equal(errorOf({ type, flags: PAYLOAD_LEN }), ERROR.EINVAL);
    for (const other of [READ, TRIM, CACHE, WRITE_ZEROES, FLUSH])
      assert.equal(errorOf({ type: other, flags: PAYLOAD_LEN }, { agreement: EXTENDED }), ERROR.EINVAL);
  });

  test('questions for a status of which nothing was selected, EINVAL', () => {
    assert.equal(errorOf({ type: BLOCK_STATUS }), 0);
    assert.equal(errorOf({ type: BLOCK_STATUS }, { agreement: { ...AWARE, contexts: [] } }), ERROR.EINVAL);
  });

  test('requests of no bytes, EINVAL', () => {
    for (const type of [READ, WRITE, TRIM, CACHE, WRITE_ZEROES, BLOCK_STATUS])
      assert.equal(errorOf({ type, length: 0 }), ERROR.EINVAL);
    assert.equal(errorOf({ type: FLUSH, length: 0 }), 0);
  });

  test('reads and trims beyond the end, EINVAL, and writes, ENOSPC', () => {
    const offset = SIZE - 4096;
    for (const type of [READ, CACHE, TRIM, BLOCK_STATUS]) {
      assert.equal(errorOf({ type, offset }), 0);
      assert.equal(errorOf({ type, offset: offset + 512 }), ERROR.EINVAL);
      assert.equal(errorOf({ type, offset: 2 ** 64 }), ERROR.EINVAL);
    }
    for (const type of [WRITE, WRITE_ZEROES]) {
      assert.equal(errorOf({ type, offset }), 0);
      assert.equal(errorOf({ type, offset: offset + 512 }), ERROR.ENOSPC);
    }
  });

  test('payloads that are too long, EINVAL, or EOVERFLOW if they must not be fragmented', () => {
    const length = MAX_PAYLOAD_BYTES + 512;
    assert.equal(errorOf({ length: MAX_PAYLOAD_BYTES }), 0);
    assert.equal(errorOf({ length }), ERROR.EINVAL);
    assert.equal(errorOf({ length, flags: DF }), ERROR.EOVERFLOW);
    assert.equal(errorOf({ type: WRITE, length }), ERROR.EINVAL);
    assert.equal(errorOf({ type: TRIM, length: 2 ** 32 - 512 }), 0);
    assert.equal(errorOf({ type: WRITE_ZEROES, length: 2 ** 32 - 512 }), 0);
  });

  for (const sector of [512, 4096]) {
    test(`writes that are not made of whole sectors of ${sector} bytes, EINVAL`, () => {
      for (const type of [WRITE, TRIM, WRITE_ZEROES]) {
        for (const agreement of [AWARE, PLAIN]) {
          assert.equal(errorOf({ type, offset: sector, length: sector }, { sector, agreement }), 0);
          assert.equal(
            errorOf({ type, offset: sector / 2, length: sector }, { sector, agreement }),
            ERROR.EINVAL,
          );
          assert.equal(
            errorOf({ type, offset: sector, length: sector / 2 }, { sector, agreement }),
            ERROR.EINVAL,
          );
        }
      }
    });

    test(`reads that are not made of whole sectors of ${sector} bytes, only if the client knows the sectors`, () => {
      const request = { offset: sector / 2, length: 1 };
      assert.equal(errorOf(request, { sector }), ERROR.EINVAL);
      assert.equal(errorOf(request, { sector, agreement: PLAIN }), 0);
    });
  }

  test('writes to a read-only disk, EPERM', () => {
    for (const type of [WRITE, TRIM, WRITE_ZEROES])
      assert.equal(errorOf({ type }, { readOnly: true }), ERROR.EPERM);
    for (const type of [READ, CACHE, FLUSH, BLOCK_STATUS])
      assert.equal(errorOf({ type }, { readOnly: true }), 0);
  });

  test('in a fixed order, whatever else is wrong', () => {
    const everything = { type: WRITE, flags: NO_HOLE, offset: SIZE + 1, length: 2 ** 32 - 1 };
    const readOnly = true;
    assert.equal(errorOf(everything, { readOnly }), ERROR.EINVAL);
    assert.equal(errorOf({ ...everything, flags: 0 }, { readOnly }), ERROR.ENOSPC);
    assert.equal(errorOf({ ...everything, flags: 0, offset: 1 }, { readOnly }), ERROR.EINVAL);
    assert.equal(errorOf({ ...everything, flags: 0, offset: 1, length: 512 }, { readOnly }), ERROR.EINVAL);
    assert.equal(errorOf({ ...everything, flags: 0, offset: 0, length: 512 }, { readOnly }), ERROR.EPERM);
  });
});
