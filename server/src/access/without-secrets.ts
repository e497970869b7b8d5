import { coverTokens } from './token-text.ts';

/** Names of fields that hold secrets, whatever stands before or behind. `tokenId` and `tokenName` are none. */
const SECRET_FIELD =
  /password|passwd|passphrase|secret|credential|authorization|cookie|private_?key|^(token|text|bearer|key)$|(api|access|enrolment)_?(key|token)/i;
/** The secret of an enrolment: a name, a dot and 32 bytes in base64url (serve/enrolments.ts). */
const ENROLMENT_SECRET = /([A-Za-z0-9][A-Za-z0-9_-]{0,31})\.[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])/g;
/** A password in a URL (RFC 3986, section 3.2.1). */
const URL_PASSWORD = /(:\/\/[^/\s:@]*):[^@\s]*@/g;
/** The control characters of ASCII, but tab and line feed: they have no business here, and PostgreSQL takes no NUL. */
const CONTROL = new RegExp(String.raw`[\u0000-\u0008\u000b-\u001f\u007f]`, 'g');

const COVER = '***';
/** A longer text, a list or object with more in it, or one nested deeper is cut, so that nobody fills the database. */
const MAX_TEXT = 1000;
const MAX_MEMBERS = 50;
const MAX_DEPTH = 4;

/** A value as it may be kept and shown for good: without secrets, and not large. */
export function withoutSecrets(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return coverText(value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MAX_DEPTH) return '…';
  if (Array.isArray(value)) {
    const members = value.slice(0, MAX_MEMBERS).map((member) => withoutSecrets(member, depth + 1));
    return value.length > MAX_MEMBERS ? [...members, '…'] : members;
  }
  const members = Object.entries(value)
    .slice(0, MAX_MEMBERS)
    .map(([name, member]) => [
      coverText(name),
      SECRET_FIELD.test(name) && member !== undefined && member !== null
        ? COVER
        : withoutSecrets(member, depth + 1),
    ]);
  return Object.fromEntries(members);
}

function coverText(text: string): string {
  const covered = coverTokens(text)
    .replaceAll(ENROLMENT_SECRET, `$1.${COVER}`)
    .replaceAll(URL_PASSWORD, `$1:${COVER}@`)
    .replaceAll(CONTROL, '\u{fffd}')
    .toWellFormed();
  return covered.length > MAX_TEXT ? `${covered.slice(0, MAX_TEXT)}…`.toWellFormed() : covered;
}
