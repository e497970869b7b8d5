import type { AccessStatus, GrantStatus } from '../status.ts';
import type { Access } from './access.ts';

/** Who may do what now, for the screen. */
export function accessStatus({ pairing, writable }: Access): AccessStatus {
  if (pairing === undefined) return { kind: 'insecure', writable };
  return {
    kind: 'keyed',
    code: pairing.desk.code,
    fingerprint: pairing.fingerprint,
    paired: [...new Set(pairing.servers.list().map(({ address }) => address))],
    authority: pairing.authority,
  };
}

/** Which jobs may write now, for the screen. */
export function grantStatus({ grants }: Access): readonly GrantStatus[] {
  return grants.list().map(({ disk, job, description }) => ({ disk, job, description }));
}
