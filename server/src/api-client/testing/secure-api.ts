import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { type Authority, createAuthority, issueCertificate } from '@diskferry/trust/authority';
import { startTestApi, type TestApi } from '../../api/testing/test-api.ts';
import { ApiClient } from '../api-client.ts';
import type { RemoteAccess } from '../server-access.ts';

/** An API behind TLS, as the door of a server has it. */
export interface SecureApi extends TestApi {
  readonly authority: Authority;
  readonly access: RemoteAccess;
  /** With the administrator's token unless told otherwise. */
  readonly client: (access?: Partial<RemoteAccess>) => ApiClient;
}

export async function startSecureApi(t: TestContext, { hosts = ['localhost'] } = {}): Promise<SecureApi> {
  const api = await startTestApi(t);
  const authority = await createAuthority('test authority');
  const { key, certificate } = await issueCertificate(authority, { commonName: 'test', hosts });
  const server = createServer({ key, cert: certificate }, api.api.handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const access: RemoteAccess = {
    kind: 'https',
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    token: api.token,
    tokenFrom: 'the test',
    ca: authority.certificate,
  };
  const { signal } = new AbortController();
  return {
    ...api,
    authority,
    access,
    client: (other = {}) => new ApiClient({ ...access, ...other }, { signal, timeoutMs: 20_000 }),
  };
}
