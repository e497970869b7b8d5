import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/**
 * A token is `dft_KEY_SECRET`, in hexadecimal digits. The prefix is for programs that look for leaked secrets; there is
 * nothing in it at which a double click would stop.
 */
const PREFIX = 'dft';
const KEY_BYTES = 6;
/**
 * Cannot be guessed, nor found from its digest: so a plain SHA-256 is kept. Slow hashes are for passwords, which people
 * choose among few; here one would only make every request slow.
 */
const SECRET_BYTES = 32;
const WHOLE = new RegExp(`^${PREFIX}_([0-9a-f]{${KEY_BYTES * 2}})_[0-9a-f]{${SECRET_BYTES * 2}}$`);
const WITHIN = new RegExp(`${PREFIX}_([0-9a-f]{${KEY_BYTES * 2}})_[0-9a-f]+`, 'gi');

export interface NewTokenText {
  /** To be shown once. */
  readonly text: string;
  readonly publicKey: string;
  readonly sha256: string;
}

export function makeTokenText(): NewTokenText {
  const publicKey = randomBytes(KEY_BYTES).toString('hex');
  const text = `${PREFIX}_${publicKey}_${randomBytes(SECRET_BYTES).toString('hex')}`;
  return { text, publicKey, sha256: digest(text) };
}

/** The part by which a token is found; undefined for what is no token. */
export function publicKeyOf(text: string): string | undefined {
  return WHOLE.exec(text)?.[1];
}

/** Whether a text is that of the digest, in a time that does not tell how much of it is right. */
export function matchesDigest(text: string, sha256: string): boolean {
  return timingSafeEqual(Buffer.from(digest(text), 'hex'), Buffer.from(sha256, 'hex'));
}

/** A text with the secrets of all tokens in it covered. The public parts stay: they tell which token it was. */
export function coverTokens(text: string): string {
  return text.replaceAll(WITHIN, `${PREFIX}_$1_***`);
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
