import { COMMAND, COMMAND_FLAG, commandName, ERROR } from './constants.ts';
import { MAX_PAYLOAD_BYTES } from './limits.ts';
import type { ReplyError } from './replies.ts';
import type { Request } from './requests.ts';
import type { ServedExport } from './served-export.ts';

/** What the client and the server agreed on in the handshake. */
export interface Agreement {
  readonly structured: boolean;
  /** The client asked for the block sizes, and so promised to keep to them. */
  readonly blockSizes: boolean;
}

interface CommandRule {
  /** Command flags that are allowed; FUA is allowed with all, as the specification demands. */
  readonly flags: number;
  /** It names a range of the disk. */
  readonly range: boolean;
  readonly writes: boolean;
  /** Its length is the length of a payload, in one direction or the other. */
  readonly payload: boolean;
}

const { FUA, NO_HOLE, DF } = COMMAND_FLAG;

const RULES: ReadonlyMap<number, CommandRule> = new Map([
  [COMMAND.READ, { flags: FUA | DF, range: true, writes: false, payload: true }],
  [COMMAND.WRITE, { flags: FUA, range: true, writes: true, payload: true }],
  [COMMAND.DISC, { flags: FUA, range: false, writes: false, payload: false }],
  [COMMAND.FLUSH, { flags: FUA, range: false, writes: false, payload: false }],
  [COMMAND.TRIM, { flags: FUA, range: true, writes: true, payload: false }],
  [COMMAND.CACHE, { flags: FUA, range: true, writes: false, payload: false }],
  [COMMAND.WRITE_ZEROES, { flags: FUA | NO_HOLE, range: true, writes: true, payload: false }],
]);

/**
 * All reasons to refuse a request, in a fixed order. What passes lies inside the disk, fits the buffers, may be
 * written, and is aligned, but for reads of clients that do not know the block sizes.
 */
export function refusalOf(
  request: Request,
  served: ServedExport,
  agreement: Agreement,
): ReplyError | undefined {
  const { type, flags, offset, length } = request;
  const rule = RULES.get(type);
  if (rule === undefined) return refusal(ERROR.EINVAL, `${commandName(type)} is not supported`);

  const dfAllowed = agreement.structured ? 0 : DF;
  if ((flags & ~rule.flags) !== 0 || (flags & dfAllowed) !== 0) {
    return refusal(
      ERROR.EINVAL,
      `the flags 0x${flags.toString(16)} have no meaning with ${commandName(type)}`,
    );
  }
  if (!rule.range) return undefined;

  if (length === 0) return refusal(ERROR.EINVAL, `${commandName(type)} of no bytes`);
  if (offset + length > served.size) {
    return refusal(
      rule.writes ? ERROR.ENOSPC : ERROR.EINVAL,
      `${describe(request)} goes beyond the end of the disk, which has ${served.size} bytes`,
    );
  }
  if (rule.payload && length > MAX_PAYLOAD_BYTES) {
    return refusal(
      (flags & DF) === 0 ? ERROR.EINVAL : ERROR.EOVERFLOW,
      `${describe(request)} is longer than ${MAX_PAYLOAD_BYTES} bytes`,
    );
  }
  const sector = served.blockSizes.minimum;
  if ((offset % sector !== 0 || length % sector !== 0) && (rule.writes || agreement.blockSizes)) {
    return refusal(ERROR.EINVAL, `${describe(request)} is not made of whole sectors of ${sector} bytes`);
  }
  if (rule.writes && served.disk.readOnly) {
    return refusal(ERROR.EPERM, `the disk ${served.name} is served read-only`);
  }
  return undefined;
}

function refusal(error: number, message: string): ReplyError {
  return { error, message };
}

function describe({ type, offset, length }: Request): string {
  return `${commandName(type)} of ${length} bytes at ${offset}`;
}
