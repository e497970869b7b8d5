import { hostname } from 'node:os';
import { RefusedError } from '../refused-error.ts';
import type { ApiClient } from '../api-client/api-client.ts';
import type { RemoteAccess } from '../api-client/server-access.ts';
import { loadOrCreateAuthority } from '../serve/authority.ts';
import type { Enrolment } from '../serve/enrolments.ts';
import { authorityFolder, enrolmentsOf } from '../serve/serve.ts';

/** Names under which no other computer finds this one. */
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** Who keeps the enrolments: a state folder of this machine, or a server elsewhere. */
export interface EnrolmentKeeper {
  /** What the computers dial, HOST[:PORT], unless the user says otherwise. */
  readonly address: string;
  /** PEM of the authority that the computers trust. @throws {RefusedError} `NO_AUTHORITY` */
  authority(): Promise<string>;
  list(): Promise<readonly Pick<Enrolment, 'name' | 'created'>[]>;
  /** @returns the secret, which is told this once */
  create(name: string): Promise<string>;
  revoke(name: string): Promise<void>;
}

/** The state folder of the server of this machine, which need not run. */
export function keeperInFolder(stateFolder: string): EnrolmentKeeper {
  const enrolments = enrolmentsOf(stateFolder);
  return {
    address: hostname(),
    authority: async () => (await loadOrCreateAuthority(authorityFolder(stateFolder))).certificate,
    list: async () => enrolments.list().map(({ name, created }) => ({ name, created })),
    create: async (name) => enrolments.create(name),
    revoke: async (name) => enrolments.revoke(name),
  };
}

/** A server elsewhere: computers dial the same door as we do, and trust whom we trust. */
export function keeperOfServer(client: ApiClient, { url, ca }: RemoteAccess): EnrolmentKeeper {
  return {
    address: dialAddressOf(url),
    authority: async () => {
      if (ca !== undefined) return ca;
      throw new RefusedError(
        'NO_AUTHORITY',
        `boot media need the certificate of the authority of ${client.name}; log in with it: ` +
          `diskferry login ${url} --ca FILE, or set DISKFERRY_CA`,
      );
    },
    list: () => client.call('enrolments'),
    create: async (name) => (await client.call('addEnrolment', { body: { name } })).secret,
    revoke: (id) => client.call('revokeEnrolment', { id }),
  };
}

/** HOST:PORT of a server for other computers than this one. */
export function dialAddressOf(url: string): string {
  const { hostname: host, port } = new URL(url);
  return `${LOOPBACK.test(host) ? hostname() : host}:${port === '' ? 443 : port}`;
}
