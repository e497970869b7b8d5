import { type HostAddress } from '@diskferry/protocol/disk-address';
import type { Access } from '../access/access.ts';
import { Grants } from '../access/grants.ts';

/**
 * Who may do what where there is one server, which was dialled and has proved by its certificate that it is the one of the
 * medium: it may read, and ask for grants.
 */
export function managedAccess({ host }: HostAddress): Access {
  return {
    tls: undefined,
    pairing: undefined,
    grants: new Grants(),
    writable: false,
    identify: () => ({ id: 'managing server', name: host }),
    refuseGrants: () => {},
  };
}
