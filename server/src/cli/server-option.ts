import { ApiClient } from '../api-client/api-client.ts';
import { findServer } from '../api-client/find-server.ts';
import { RefusedError } from '../refused-error.ts';
import { type CliOption, type Invocation, secondsOption } from './command.ts';

export const SERVER_OPTION: CliOption = {
  name: 'server',
  value: 'URL',
  help: 'the imaging server to ask (default: that of DISKFERRY_SERVER, of diskferry login, or of this machine)',
};

/** A client of the server that is configured, or undefined where there is none. @throws see `findServer` */
export async function findClient(invocation: Invocation): Promise<ApiClient | undefined> {
  const { values, signal } = invocation;
  const access = await findServer({ url: values.get('server') });
  if (access === undefined) return undefined;
  return new ApiClient(access, { signal, timeoutMs: secondsOption(invocation, 'timeout') });
}

/** The same for commands that are nothing without a server. @throws {RefusedError} `NO_SERVER` */
export async function openClient(invocation: Invocation): Promise<ApiClient> {
  const client = await findClient(invocation);
  if (client !== undefined) return client;
  throw new RefusedError(
    'NO_SERVER',
    'this asks an imaging server, and none is configured; try: diskferry login URL --ca FILE, or be root on the machine ' +
      'of "diskferry serve"',
  );
}
