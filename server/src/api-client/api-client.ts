import { once } from 'node:events';
import {
  type ClientRequest,
  type IncomingMessage,
  request as httpRequest,
  type RequestOptions,
} from 'node:http';
import { request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import { DiskferryError } from '@diskferry/system/errors';
import type { ApiEvent } from '../api/routes/events.ts';
import { type Answers, type RouteName, ROUTES } from './routes.ts';
import { nameOfServer, type ServerAccess } from './server-access.ts';
import { answerError, connectionError, UnreachableError } from './server-errors.ts';
import { readServerSentEvents } from './server-sent-events.ts';

/** A server answers at once; streams say every two seconds that they live, in ms. */
const TIMEOUT_MS = 30_000;

export interface CallWishes {
  /** Of the computer, image, job or location in the path. */
  readonly id?: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: object;
}

export interface ApiClientOptions {
  readonly signal: AbortSignal;
  /** How long a server may say nothing, in ms. */
  readonly timeoutMs?: number | undefined;
}

/** Asks the API of a server. */
export class ApiClient {
  readonly access: ServerAccess;
  readonly #options: ApiClientOptions;

  constructor(access: ServerAccess, options: ApiClientOptions) {
    this.access = access;
    this.#options = options;
  }

  /** What the server is called in messages. */
  get name(): string {
    return nameOfServer(this.access);
  }

  /**
   * Sends a request and reads the answer.
   *
   * @throws {RefusedError} with the code of the server's refusal; `CERTIFICATE_REFUSED`
   * @throws {UnreachableError}
   * @throws {DiskferryError} `INTERNAL`, `SERVER_STRANGE`; the reason of the signal
   */
  async call<Name extends RouteName>(route: Name, wishes: CallWishes = {}): Promise<Answers[Name]> {
    const response = await this.#send(route, wishes);
    const body = await this.#reading(text(response));
    const status = response.statusCode ?? 0;
    if (status === 204) return undefined as Answers[Name];
    const isJson = response.headers['content-type']?.startsWith('application/json') === true;
    const answer = isJson ? (JSON.parse(body) as unknown) : undefined;
    if (status < 200 || status >= 300 || !isJson) throw answerError(this.access, status, answer);
    return answer as Answers[Name];
  }

  /**
   * Events as they happen, until the connection is lost.
   *
   * @param after the last event that is known already
   * @throws see `call`
   */
  async *events(after?: string): AsyncGenerator<ApiEvent> {
    const headers: Record<string, string> = after === undefined ? {} : { 'last-event-id': after };
    const response = await this.#send('eventStream', {}, headers);
    if (response.statusCode !== 200) {
      const body = await this.#reading(text(response));
      const isJson = response.headers['content-type']?.startsWith('application/json') === true;
      throw answerError(this.access, response.statusCode ?? 0, isJson ? JSON.parse(body) : undefined);
    }
    const chunks = response.setEncoding('utf8') as AsyncIterable<string>;
    try {
      for await (const { data } of readServerSentEvents(chunks)) yield JSON.parse(data) as ApiEvent;
    } catch (error) {
      throw this.#failure(error);
    } finally {
      response.destroy();
    }
    throw new UnreachableError(this.access, 'it has ended the stream');
  }

  async #send(
    route: RouteName,
    { id = '', query = {}, body }: CallWishes,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<IncomingMessage> {
    const [method = '', path = ''] = ROUTES[route].split(' ');
    const known = Object.entries(query).filter(([, value]) => value !== undefined);
    const search = new URLSearchParams(known.map(([name, value]) => [name, String(value)])).toString();
    const { access } = this;
    const { signal, timeoutMs = TIMEOUT_MS } = this.#options;
    signal.throwIfAborted();
    const options = {
      method,
      path: path.replace(':id', encodeURIComponent(id)) + (search === '' ? '' : `?${search}`),
      headers: {
        accept: 'application/json',
        ...headers,
        ...(body === undefined ? {} : JSON_BODY),
        ...(access.kind === 'https' ? { authorization: `Bearer ${access.token}` } : {}),
      },
      agent: false,
      timeout: timeoutMs,
      signal,
    };
    const request = this.#open(options);
    request.on('timeout', () => request.destroy(new Error(`it has said nothing for ${timeoutMs / 1000} s`)));
    // Also when the answer has begun; whoever reads it is told.
    request.on('error', () => {});
    request.end(body === undefined ? undefined : JSON.stringify(body));
    const [response] = (await this.#reading(once(request, 'response'))) as [IncomingMessage];
    return response;
  }

  #open(options: RequestOptions): ClientRequest {
    const { access } = this;
    if (access.kind === 'local') return httpRequest({ ...options, socketPath: access.socketPath });
    const { hostname, port } = new URL(access.url);
    return httpsRequest({
      ...options,
      host: hostname.replaceAll(/^\[|\]$/g, ''),
      port: port === '' ? 443 : Number(port),
      minVersion: 'TLSv1.2',
      ...(access.ca === undefined ? {} : { ca: access.ca }),
    });
  }

  async #reading<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      throw this.#failure(error);
    }
  }

  #failure(error: unknown): unknown {
    this.#options.signal.throwIfAborted();
    return error instanceof DiskferryError ? error : connectionError(this.access, error as Error);
  }
}

const JSON_BODY = { 'content-type': 'application/json' };
