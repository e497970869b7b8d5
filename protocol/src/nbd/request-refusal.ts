import { COMMAND, COMMAND_FLAG, commandName, ERROR } from './constants.ts';
import { MAX_PAYLOAD_BYTES } from './limits.ts';
import type { MetaContext } from './meta-contexts.ts';
import type { ReplyError } from './replies.ts';
import type { ReplyStyle } from './reply-format.ts';
import type { Request } from './requests.ts';
import type { ServedExport } from './served-export.ts';

/** What the client and the server agreed on in the handshake. */
export interface Agreement {
  readonly replies: ReplyStyle;
  /** The client asked for the block sizes, and so promised to keep to them. */
  readonly blockSizes: boolean;
  /** What BLOCK_STATUS answers. */
  readonly contexts: readonly MetaContext[];
}

interface CommandRule {
  /** Command flags that are allowed; FUA is allowed with all, as the specification demands. */
  readonly flags: number;
  /** It names a range of the disk. */
  readonly range: boolean;
  readonly writes: boolean;
  /** Its length is the length of a payload, in one direction or the other. */
  readonly payload: boolean;
  /** Beyond the end of the disk. */
  readonly beyond: number;
}

const { FUA, NO_HOLE, DF, REQ_ONE, FAST_ZERO, PAYLOAD_LEN } = COMMAND_FLAG;
const NO_RANGE = { range: false, writes: false, payload: false, beyond: ERROR.EINVAL };
const LOOKING = { range: true, writes: false, payload: false, beyond: ERROR.EINVAL };

const RULES: ReadonlyMap<number, CommandRule> = new Map([
  [COMMAND.READ, { ...LOOKING, flags: FUA | DF, payload: true }],
  [COMMAND.WRITE, { flags: FUA, range: true, writes: true, payload: true, beyond: ERROR.ENOSPC }],
  [COMMAND.DISC, { ...NO_RANGE, flags: FUA }],
  [COMMAND.FLUSH, { ...NO_RANGE, flags: FUA }],
  [COMMAND.TRIM, { flags: FUA, range: true, writes: true, payload: false, beyond: ERROR.EINVAL }],
  [COMMAND.CACHE, { ...LOOKING, flags: FUA }],
  [
    COMMAND.WRITE_ZEROES,
    {
      flags: FUA | NO_HOLE | FAST_ZERO,
      range: true,
      writes: true,
      payload: false,
      beyond: ERROR.ENOSPC,
    },
  ],
  [COMMAND.BLOCK_STATUS, { ...LOOKING, flags: FUA | REQ_ONE }],
]);

/**
 * All reasons to refuse a request, in a fixed order. What passes lies inside the disk, fits the limits, may be
 * written, and is aligned, but for what clients that do not know the block sizes want to read or know.
 */
export function refusalOf(
  request: Request,
  served: ServedExport,
  agreement: Agreement,
): ReplyError | undefined {
  const { type, flags, offset, length } = request;
  const rule = RULES.get(type);
  if (rule === undefined) return refusal(ERROR.EINVAL, `${commandName(type)} is not supported`);
  const misuse = misuseOf(request, rule, agreement);
  if (misuse !== undefined) return refusal(ERROR.EINVAL, misuse);
  if (!rule.range) return undefined;

  if (length === 0) return refusal(ERROR.EINVAL, `${commandName(type)} of no bytes`);
  if (offset + length > served.size) {
    const message = `${describe(request)} goes beyond the end of the disk, which has ${served.size} bytes`;
    return refusal(rule.beyond, message);
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

/** What does not fit what was agreed on. */
function misuseOf(
  { type, flags }: Request,
  rule: CommandRule,
  { replies, contexts }: Agreement,
): string | undefined {
  const withPayload = replies === 'extended' && type === COMMAND.WRITE ? PAYLOAD_LEN : 0;
  const allowed = (rule.flags | withPayload) & (replies === 'simple' ? ~DF : ~0);
  if ((flags & ~allowed) !== 0) {
    return `the flags 0x${flags.toString(16)} have no meaning with ${commandName(type)}`;
  }
  if ((flags & withPayload) !== withPayload) {
    return `${commandName(type)} without NBD_CMD_FLAG_PAYLOAD_LEN, which extended headers demand`;
  }
  if (type === COMMAND.BLOCK_STATUS && contexts.length === 0) {
    return `${commandName(type)} without a metadata context selected for this export`;
  }
  return undefined;
}

function refusal(error: number, message: string): ReplyError {
  return { error, message };
}

function describe({ type, offset, length }: Request): string {
  return `${commandName(type)} of ${length} bytes at ${offset}`;
}
