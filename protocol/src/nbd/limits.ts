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
 * Payload is read, sent, received and written in pieces of so many bytes, so that a long request needs no more memory than
 * a short one. Longer pieces made no copy faster.
 */
export const PIECE_BYTES = 1024 * 1024;

/** Payload that a connection may have under way, in bytes: a few pieces, so that disk and network work at the same time. */
export const MAX_BYTES_IN_FLIGHT = 4 * 1024 * 1024;

/** Payload that all connections of a server may have under way, in bytes: the secondary OS must do with 256 MB of memory. */
export const MAX_BYTES_IN_FLIGHT_IN_ALL = 16 * 1024 * 1024;

/**
 * What TLS is given at a time, in bytes: Node encrypts all of it at once, and each connection keeps a buffer of that size for
 * the next time.
 */
export const MAX_TLS_WRITE_BYTES = 128 * 1024;

/** Descriptors in one answer to BLOCK_STATUS that the server sends, so that a fragmented file costs no memory. */
export const MAX_SENT_DESCRIPTORS = 4096;

/** How long a client may take until it has chosen an export, in ms, so that silent strangers do not pile up. */
export const HANDSHAKE_TIMEOUT_MS = 30_000;

/**
 * How long a client may take over the rest of a request, over a piece of payload, or to accept an answer, in ms: it
 * occupies memory meanwhile that others wait for. A client that owes nothing may be silent for days; whether it still lives
 * is found out by the keep-alive of its socket.
 */
export const PROGRESS_TIMEOUT_MS = 30_000;

/** A client that died without a word is noticed after this silence and the kernel's probes, in ms. */
export const KEEP_ALIVE_MS = 30_000;

/** How long a client in the handshake may take to ask for something and be told that the server shuts down, in ms. */
export const SHUTDOWN_PATIENCE_MS = 1_000;

/**
 * How long a client may take to close its side after the server has said the last word, in ms. Closing earlier, with bytes of
 * the client unread, would make TCP throw away answers that are on their way.
 */
export const LINGER_MS = 2_000;
