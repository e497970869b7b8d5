import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readMediumSettings } from './medium-settings.ts';

/** A self-signed authority that was made for this test; its key is nowhere. */
const AUTHORITY = `-----BEGIN CERTIFICATE-----
MIIBgTCCASegAwIBAgIQDEdyr5wsprG55BDh46XnVzAKBggqhkjOPQQDAjAPMQ0w
CwYDVQQDEwR0ZXN0MCAXDTcwMDEwMTAwMDAwMFoYDzk5OTkxMjMxMjM1OTU5WjAP
MQ0wCwYDVQQDEwR0ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEWy76KQep
MuzP50UlOV8Vwg4CiBOgrAPfTFhMX1sq+FgRvletu/xL4+3g4n7/vqMpPZPiq0Ux
FBUYSaniuP0ZVaNjMGEwDwYDVR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAgQw
HQYDVR0OBBYEFBSVICdLlh6v/U+Sol+Dt0GHUGUzMB8GA1UdIwQYMBaAFBSVICdL
lh6v/U+Sol+Dt0GHUGUzMAoGCCqGSM49BAMCA0gAMEUCIDPkovMe7C4ZN0IfjyhR
qSJqF7bEsAGlZNBVnYj/y93/AiEAz+1uPgLyRVjC54vmeOxIT5WR3HYaqwk5FJEM
w30bFhQ=
-----END CERTIFICATE-----
`;
/** One that says of itself that it is no authority. */
const NO_AUTHORITY = `-----BEGIN CERTIFICATE-----
MIIBiTCCATCgAwIBAgIRAIRdNtLPQaCzmT23yPfxxpMwCgYIKoZIzj0EAwIwDzEN
MAsGA1UEAxMEdGVzdDAgFw03MDAxMDEwMDAwMDBaGA85OTk5MTIzMTIzNTk1OVow
DDEKMAgGA1UEAxMBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJYe8wyeqXDU
skXj1O49HG4qxq2XFJFJswamqg1KcJR+KeY8ubO/EouFZalXKEL9WV7h34FjWvmf
gagdxyCvA1KjbjBsMAwGA1UdEwEB/wQCMAAwDgYDVR0PAQH/BAQDAgeAMB0GA1Ud
DgQWBBQjFY2/YNqZIKYdKV/W4dmQJYvkWzAfBgNVHSMEGDAWgBQUlSAnS5Yer/1P
kqJfg7dBh1BlMzAMBgNVHREEBTADggFoMAoGCCqGSM49BAMCA0cAMEQCIQCYDk1V
5pdGmeowezIwoH9L86P/UkWRvw01P52P4aGklAIfEV8wcf/pPUVD5Kyc9L05odFk
Na1n3NHlgAgPzzO34g==
-----END CERTIFICATE-----
`;
const SECRET = 'classroom.0123456789abcdef0123456789abcdef';
let folder = '';

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diskferry-settings-'));
});
after(() => rm(folder, { recursive: true, force: true }));

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

test('server, authority and secret are read; the secret without its line end', async () => {
  const settings = await readMediumSettings({
    server: '[fd00::1]:7443',
    ca: await file('ca.pem', `a line of explanation\n${AUTHORITY}`),
    enrolment: await file('enrolment', `${SECRET}\n`),
  });
  assert.deepEqual(settings, { server: '[fd00::1]:7443', authority: AUTHORITY, enrolment: SECRET });
});

test('a medium without settings is a standalone one', async () => {
  assert.equal(await readMediumSettings({}), undefined);
});

test('one option without the others is refused', async () => {
  const all = { server: 'h:7443', ca: await file('ca', AUTHORITY), enrolment: await file('secret', SECRET) };
  for (const missing of ['server', 'ca', 'enrolment']) {
    await assert.rejects(readMediumSettings({ ...all, [missing]: undefined }), {
      code: 'USAGE',
      message: /belong together/,
    });
  }
});

test('files that are not what they should be are refused at the build', async () => {
  const good = { server: 'h:7443', ca: await file('good', AUTHORITY), enrolment: await file('s', SECRET) };
  for (const [wrong, message] of [
    [{ server: 'https://h' }, /is not HOST:PORT/],
    [{ server: 'h' }, /is not HOST:PORT/],
    [{ ca: await file('text', 'hello') }, /not the certificate of an authority/],
    [{ ca: await file('leaf', NO_AUTHORITY) }, /may not sign others/],
    [{ ca: join(folder, 'missing') }, /missing cannot be read/],
    [{ enrolment: await file('empty', '\n') }, /holds no enrolment secret/],
    [
      { enrolment: await file('words', 'two words, which are no secret at all') },
      /holds no enrolment secret/,
    ],
  ] as const) {
    await assert.rejects(readMediumSettings({ ...good, ...wrong }), { message });
  }
});
