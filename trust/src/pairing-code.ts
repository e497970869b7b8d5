import { randomInt } from 'node:crypto';

/** Crockford's base 32: no I, L, O and U, which are taken for other signs or make words. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
/** 40 bits: one try in 2^40 hits, and a try costs a run of the protocol. */
const CODE_LENGTH = 8;
const GROUP_LENGTH = 4;
const CODE = new RegExp(`^[${ALPHABET}]{${CODE_LENGTH}}$`);

/** A new code as people see it, such as "7KQ2-MD9X". */
export function createPairingCode(): string {
  const signs = Array.from({ length: CODE_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
  return `${signs.slice(0, GROUP_LENGTH)}-${signs.slice(GROUP_LENGTH)}`;
}

/**
 * A code as a person typed it, in the one form that is compared: without dashes and spaces, in capitals, and with I and L read
 * as 1 and O as 0. Undefined if it cannot be a code.
 */
export function normalisePairingCode(text: string): string | undefined {
  const signs = text.toUpperCase().replaceAll(/[-\s]/g, '').replaceAll(/[IL]/g, '1').replaceAll('O', '0');
  return CODE.test(signs) ? signs : undefined;
}
