/** Length of a string (export name, description, error text), in bytes. Source: the NBD specification, "Conventions". */
export const MAX_STRING_BYTES = 4096;

/**
 * Data of one option, in bytes: the largest one known, NBD_OPT_GO with a name of {@link MAX_STRING_BYTES}, has some
 * 4 KiB. Longer ones are skipped and refused, so that a stranger cannot make the server allocate memory.
 */
export const MAX_OPTION_BYTES = 64 * 1024;

/**
 * Data of one option reply, in bytes: NBD_REP_SERVER holds two strings. The client gives up on longer ones.
 */
export const MAX_OPTION_REPLY_BYTES = 64 * 1024;

/** Options of one connection. Programs send fewer than ten; a stranger must not keep the server busy with LIST. */
export const MAX_OPTIONS = 128;

/** Exports that a client accepts in an answer to NBD_OPT_LIST. */
export const MAX_LISTED_EXPORTS = 10_000;

/** Data of one READ or WRITE, in bytes: what every NBD program accepts (specification, "Block size constraints"). */
export const MAX_PAYLOAD_BYTES = 32 * 1024 * 1024;

/** Descriptors in one answer to BLOCK_STATUS that a client accepts: what servers keep to (specification, NBD_CMD_BLOCK_STATUS). */
export const MAX_STATUS_DESCRIPTORS = 2 ** 20;

/** Payload of a structured reply chunk that is an error: two strings' worth. */
export const MAX_ERROR_CHUNK_BYTES = 2 * MAX_STRING_BYTES;

/** Requests that a connection may have under way; nbdcopy and the kernel keep up to 64 and 128. */
export const MAX_REQUESTS_IN_FLIGHT = 64;

/**
 * Payload that a connection may have under way, in bytes. The secondary OS must do with 256 MB of memory and four
 * connections. One larger request is served alone.
 */
export const MAX_BYTES_IN_FLIGHT = 8 * 1024 * 1024;

/** How long a client may take until it has chosen an export, in ms, so that silent strangers do not pile up. */
export const HANDSHAKE_TIMEOUT_MS = 30_000;
