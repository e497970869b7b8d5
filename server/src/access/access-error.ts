import { DiskferryError } from '@diskferry/system/errors';

/**
 * Somebody may not do what he asked for. `UNAUTHENTICATED`: the server does not know who he is (401 in HTTP);
 * `FORBIDDEN`: it knows (403).
 */
export class AccessError extends DiskferryError {}

/** Somebody showed no token, or none that is valid. Which of these is not told. */
export function unauthenticated(): AccessError {
  return new AccessError(
    'UNAUTHENTICATED',
    'this needs a valid token; send it as "Authorization: Bearer dft_…". It may have expired or been revoked',
  );
}
