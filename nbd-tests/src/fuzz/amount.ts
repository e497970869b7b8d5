/** Spoilt messages in all runs together. */
const ALL_MESSAGES = Number(process.env['DISKFERRY_FUZZ_MESSAGES'] ?? 1_000_000);

/** Which messages: another seed gives others. A failure tells it. */
export const SEED = Number(process.env['DISKFERRY_FUZZ_SEED'] ?? 1);

/** How many messages each run sends. They make a little more than all, together. */
export const MESSAGES = {
  /** To a server in this process: options, options before TLS, requests to a read-only disk and to a writable one. */
  eachServerRun: share(0.22),
  /** To the process of the imaging client: options, requests. */
  eachProcessRun: share(0.02),
  /** To a client in this process: handshake, answers. Each of its connections takes a few only. */
  eachClientRun: share(0.045),
} as const;

function share(part: number): number {
  return Math.ceil(ALL_MESSAGES * part);
}
