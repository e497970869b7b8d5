import { type ClientRequest, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { once } from 'node:events';
import { json, text } from 'node:stream/consumers';
import type { IncomingMessage } from 'node:http';
import { type CliProcess, startCli } from '../../testing/cli-process.ts';
import { interfacePath } from '../run-folder.ts';
import { authorityFolder } from '../serve.ts';

/** A server lives as long as the test that uses it, in ms. */
const BOUND_MS = 30 * 60_000;

export interface ApiAnswer {
  readonly status: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- each route has answers of its own
  readonly json: any;
}

/** `diskferry serve` as a process of its own, which can be killed. */
export interface ServeProcess {
  readonly cli: CliProcess;
  readonly port: number;
  /** What it printed at its first start. */
  readonly token: string | undefined;
  readonly authorityFile: string;
  /** By the socket of this machine, as its administrator. */
  readonly ask: (method: string, path: string, body?: object) => Promise<ApiAnswer>;
  /** In the text format of Prometheus. */
  metrics(): Promise<string>;
  /** By HTTPS, with a token. */
  askWithToken(method: string, path: string, token: string): Promise<ApiAnswer>;
}

export interface ServePlace {
  readonly stateFolder: string;
  readonly runFolder: string;
  /** Words before the command that run it in a network of its own. */
  readonly before?: readonly string[];
}

/** Starts a server in folders of a test. */
export async function startServeProcess(
  { stateFolder, runFolder, before = [] }: ServePlace,
  words: readonly string[] = [],
): Promise<ServeProcess> {
  const cli = startCli(['serve', '--settings', '/dev/null', '--listen', '127.0.0.1', ...words], {
    env: { DISKFERRY_RUN: runFolder, DISKFERRY_STATE: stateFolder },
    boundMs: BOUND_MS,
    before,
  });
  const [, token, port] = await cli.printed(
    /(?:never again: (\S+)\n[^]*)?computers dial port (\d+)[^]*the sockets of their disks appear/,
  );
  const authorityFile = join(authorityFolder(stateFolder), 'certificate.pem');
  return {
    cli,
    port: Number(port),
    token,
    authorityFile,
    ask: (method, path, body) =>
      answerTo(
        httpRequest({ socketPath: interfacePath(runFolder), path, method, headers: headersFor(body) }),
        body,
      ),
    metrics: async () => {
      const asked = httpsRequest({
        host: 'localhost',
        port: Number(port),
        path: '/metrics',
        ca: readFileSync(authorityFile),
        headers: { authorization: `Bearer ${token}` },
      });
      asked.end();
      const [response] = (await once(asked, 'response')) as [IncomingMessage];
      return text(response);
    },
    askWithToken: (method, path, shown) =>
      answerTo(
        httpsRequest({
          host: 'localhost',
          port: Number(port),
          path,
          method,
          ca: readFileSync(authorityFile),
          headers: { authorization: `Bearer ${shown}` },
        }),
      ),
  };
}

function headersFor(body: object | undefined): Record<string, string> {
  return body === undefined ? {} : { 'content-type': 'application/json' };
}

async function answerTo(request: ClientRequest, body?: object): Promise<ApiAnswer> {
  request.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const status = response.statusCode ?? 0;
  return { status, json: status === 204 ? undefined : await json(response) };
}
