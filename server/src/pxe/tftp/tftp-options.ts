/** Without an option (RFC 1350). */
const DEFAULT_BLOCK_BYTES = 512;
const SMALLEST_BLOCK_BYTES = 8;
/** What fits into one Ethernet packet of 1500 bytes, behind the headers of IP (20), UDP (8) and TFTP (4). */
const LARGEST_BLOCK_BYTES = 1468;
const NUMBER = /^\d{1,10}$/;

export interface AgreedOptions {
  readonly blockBytes: number;
  /** What the client is told; empty if it asked for nothing that we know. */
  readonly answers: ReadonlyMap<string, string>;
}

/** Agrees to what a client asks for: the block size (RFC 2348), and telling it the size of the file (RFC 2349). */
export function agree(asked: ReadonlyMap<string, string>, fileBytes: number): AgreedOptions {
  const wanted = asked.get('blksize');
  const isSize = wanted !== undefined && NUMBER.test(wanted) && Number(wanted) >= SMALLEST_BLOCK_BYTES;
  const blockBytes = isSize ? Math.min(Number(wanted), LARGEST_BLOCK_BYTES) : DEFAULT_BLOCK_BYTES;
  return {
    blockBytes,
    answers: new Map([
      ...(isSize ? [['blksize', String(blockBytes)] as const] : []),
      ...(asked.has('tsize') ? [['tsize', String(fileBytes)] as const] : []),
    ]),
  };
}
