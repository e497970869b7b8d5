import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import type { ClientTls } from '../client-tls.ts';

/**
 * Keys for tests only, which nothing trusts. The client's certificate is its own authority, made by: openssl req -x509
 * -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2900000; and the authority of the server's, made by: openssl
 * x509 -req -days 2900000, with the extension basicConstraints=critical,CA:FALSE.
 */
export const SERVER = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgYyl+1rF6wCepvSnV
31Q6Gnqvm4z5Hzxpj/xdUZ8RRBihRANCAASGzcjpaT9ST3f1nyicUf20IO+xThHS
q2qS98LByDkWGAhAwvzy3DPVkT6VxiHYzZ1KZQFlfioF3TKDDEjON5Gp
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBujCCAV+gAwIBAgIUJIrFmcxg8EyRD6Vwf2q7z7B/FjcwCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTY2xpZW50IG9mIHRoZSB0ZXN0czAgFw0yNjExMjIxNzI5NDZa
GA85OTY2MTAyODE3Mjk0NlowHjEcMBoGA1UEAwwTc2VydmVyIG9mIHRoZSB0ZXN0
czBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABIbNyOlpP1JPd/WfKJxR/bQg77FO
EdKrapL3wsHIORYYCEDC/PLcM9WRPpXGIdjNnUplAWV+KgXdMoMMSM43kamjeTB3
MAwGA1UdEwEB/wQCMAAwGgYDVR0RBBMwEYIJbG9jYWxob3N0hwR/AAABMAsGA1Ud
DwQEAwIHgDAdBgNVHQ4EFgQU4l6CIqklkaJE7584In/tJulGf+YwHwYDVR0jBBgw
FoAUUbd30cEtNiCYbvoa7Fe5lK9tiuEwCgYIKoZIzj0EAwIDSQAwRgIhAI/jBlJu
YmgqWJAD+z72GoaK30FBvc/eyvuEIUPjCwM3AiEAhTgPL6+GqLtPvzjgVS1cLgdb
RFORwb+Y05p/6E9saqQ=
-----END CERTIFICATE-----`,
};
export const CLIENT = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgZYBy+QFy4Pwn/nHh
VK+urx9PDyNWDlX7li22lqEB4oahRANCAARWixyhkb0G7cz3lNOVRkuc1tiizYE4
qMCPIFBgKcrj95HLn0zieT0m8TTABef1QM9cb5tFWsgRDC7qJtf5H++Y
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBlDCCATmgAwIBAgIUdmp7jDldExcmuCCX5kqz4+GUpKcwCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTY2xpZW50IG9mIHRoZSB0ZXN0czAgFw0yNjExMjIxNzAxNDha
GA85OTY2MTAyODE3MDE0OFowHjEcMBoGA1UEAwwTY2xpZW50IG9mIHRoZSB0ZXN0
czBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFaLHKGRvQbtzPeU05VGS5zW2KLN
gTiowI8gUGApyuP3kcufTOJ5PSbxNMAF5/VAz1xvm0VayBEMLuom1/kf75ijUzBR
MB0GA1UdDgQWBBRRt3fRwS02IJhu+hrsV7mUr22K4TAfBgNVHSMEGDAWgBRRt3fR
wS02IJhu+hrsV7mUr22K4TAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kA
MEYCIQD7PskP3qDiSNAkt7o2fFxjsY8ZakjeZ1pCj24C2eMBcgIhAJPdjeqfKwsT
2zGnRJPx8euw5v3sOkYSQiEKdSbCLQE7
-----END CERTIFICATE-----`,
};

/** What a server of a test shows. */
export function serverSecureContext(): SecureContext {
  return createSecureContext({ ...SERVER, minVersion: 'TLSv1.3' });
}

/** A client of a test, which takes any server unless told otherwise. */
export function clientTls(verify: (socket: TLSSocket) => Error | undefined = () => undefined): ClientTls {
  return { secureContext: createSecureContext({ ...CLIENT, minVersion: 'TLSv1.3' }), verify };
}
