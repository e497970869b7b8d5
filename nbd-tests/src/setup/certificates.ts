import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import type { ClientTls } from '@diskferry/protocol/nbd/client-tls';
import { ownAddress } from '@diskferry/protocol/nbd/testing/own-address';
import { createAuthority, issueCertificate } from '@diskferry/trust/authority';
import type { ConnectionSecurity } from '@diskferry/trust/connection-security';
import { fingerprintOf } from '@diskferry/trust/fingerprint';

const HOSTS = ['localhost', '127.0.0.1', ownAddress().host];

/** A folder with keys and certificates under the names that nbdkit, QEMU, libnbd and our client expect. */
export interface Certificates {
  readonly folder: string;
}

/** Makes an authority, and certificates of a server on this machine and of a client. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  const authority = await createAuthority('authority of the tests');
  const server = await issueCertificate(authority, { commonName: 'localhost', hosts: HOSTS });
  const client = await issueCertificate(authority, { commonName: 'client', hosts: ['client'] });
  mkdirSync(folder, { recursive: true });
  const files = {
    'ca-cert.pem': authority.certificate,
    'server-cert.pem': server.certificate,
    'server-key.pem': server.key,
    'client-cert.pem': client.certificate,
    'client-key.pem': client.key,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
  return { folder };
}

/** How our own NBD client shows its certificate, and wants one of the same authority. */
export function clientTlsOf({ folder }: Certificates): ClientTls {
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  return {
    secureContext: createSecureContext({
      ca: read('ca-cert.pem'),
      cert: read('client-cert.pem'),
      key: read('client-key.pem'),
      minVersion: 'TLSv1.3',
    }),
    verify: (socket) => (socket.authorized ? undefined : socket.authorizationError),
  };
}

/** The same for an adapter process, which pins the server's key. */
export function pinnedTo({ folder }: Certificates): ConnectionSecurity {
  const identityFolder = join(folder, 'identity');
  mkdirSync(identityFolder, { recursive: true });
  // Named as an identity of our own is.
  copyFileSync(join(folder, 'client-cert.pem'), join(identityFolder, 'certificate.pem'));
  copyFileSync(join(folder, 'client-key.pem'), join(identityFolder, 'key.pem'));
  const fingerprint = fingerprintOf(readFileSync(join(folder, 'server-cert.pem')));
  return { kind: 'pinned', identityFolder, fingerprint };
}
