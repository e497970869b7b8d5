import { X509Certificate } from 'node:crypto';
import type { SecureContext, TLSSocket } from 'node:tls';
import { createSecureContext } from 'node:tls';
import { isClientCertificateOf } from '@diskferry/trust/authority';
import { fingerprintOf } from '@diskferry/trust/fingerprint';
import type { Identity } from '@diskferry/trust/identity';
import { secureOptionsOf } from '@diskferry/trust/secure-context';
import { Grants } from './grants.ts';
import type { PairedServers } from './paired-servers.ts';
import { PairingDesk } from './pairing-desk.ts';
import { AccessError, type Peer } from './peer.ts';

/** A connection as far as it tells who is at the other end. */
export interface PeerConnection {
  /** The TLS session, whose handshake is done; undefined in plain text. */
  readonly secured: TLSSocket | undefined;
  /** IP address of the other side. */
  readonly address: string;
}

/** TLS as both ports speak it. */
export interface AccessTls {
  /** For `https`. Certificates are asked for, and judged by `identify` alone. */
  readonly options: ReturnType<typeof secureOptionsOf> & { readonly ca?: string };
  /** The same for a TLSSocket. */
  readonly secureContext: SecureContext;
}

/** How a server that is not known here becomes known. */
export interface Pairing {
  /** Of the own key. */
  readonly fingerprint: string;
  readonly desk: PairingDesk;
  readonly servers: PairedServers;
  /** The name of the authority whose certificates are let in, too. */
  readonly authority: string | undefined;
}

/** Who may do what with the disks of this computer. */
export interface Access {
  /** Undefined: plain text. */
  readonly tls: AccessTls | undefined;
  readonly pairing: Pairing | undefined;
  readonly grants: Grants;
  /** All exports can be written, by everybody. */
  readonly writable: boolean;
  /**
   * Who may read the disks over this connection.
   *
   * @throws {AccessError} `NOT_PAIRED` for who may not
   */
  identify(connection: PeerConnection): Peer;
  /**
   * Whether grants are given to those who may read.
   *
   * @throws {AccessError} `GRANT_REFUSED`
   */
  refuseGrants(): void;
}

/** Plain text, where everybody may read, and write if `writable`. */
export function openAccess({ writable }: { readonly writable: boolean }): Access {
  return {
    tls: undefined,
    pairing: undefined,
    grants: new Grants(),
    writable,
    identify: ({ address }) => ({ id: 'everybody', name: address }),
    refuseGrants: () => {
      if (writable) return;
      throw new AccessError(
        'GRANT_REFUSED',
        'that computer gives no right to write, because its client was started with --insecure, where nobody proves who he ' +
          'is; start it without, or with --writable too',
      );
    },
  };
}

export interface KeyedAccessOptions {
  /** What this computer shows. */
  readonly identity: Identity;
  readonly servers: PairedServers;
  /** Certificate of an authority, as PEM: who has a certificate from it may read without pairing. */
  readonly authority?: string | undefined;
  readonly desk?: PairingDesk;
}

/** TLS, where servers may read that have paired, or have a certificate of the authority. */
export function keyedAccess({
  identity,
  servers,
  authority,
  desk = new PairingDesk(),
}: KeyedAccessOptions): Access {
  const vouching = authority === undefined ? undefined : new X509Certificate(authority);
  const options = {
    ...secureOptionsOf(identity),
    // Named in the handshake, so that the other side finds the certificate that belongs to it.
    ...(authority === undefined ? {} : { ca: authority }),
  };
  function mayRead(certificate: X509Certificate): boolean {
    if (servers.has(fingerprintOf(certificate))) return true;
    return vouching !== undefined && isClientCertificateOf(vouching, certificate);
  }
  return {
    tls: { options, secureContext: createSecureContext(options) },
    pairing: {
      fingerprint: identity.fingerprint,
      desk,
      servers,
      authority: vouching?.subject.replaceAll('\n', ', '),
    },
    grants: new Grants(),
    writable: false,
    identify: ({ secured, address }) => {
      const certificate = secured?.getPeerX509Certificate();
      if (certificate === undefined) throw notPaired('it shows no certificate');
      if (!mayRead(certificate)) throw notPaired(`its key ${fingerprintOf(certificate)} is not known here`);
      return { id: fingerprintOf(certificate), name: address };
    },
    refuseGrants: () => {},
  };
}

function notPaired(why: string): AccessError {
  return new AccessError(
    'NOT_PAIRED',
    `this computer does not let that server in: ${why}; give the code on its screen with --pair CODE`,
  );
}
