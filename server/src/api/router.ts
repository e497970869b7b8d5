import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import type { Action } from '../access/permissions.ts';
import type { Caller } from './let-in.ts';

/** Takes routes whose schemas are those of TypeBox. */
export type Router = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the caller must be allowed to; `open` for a route that answers everybody. Every route says one. */
    permission?: Action | 'open';
  }
  interface FastifyRequest {
    /** Set on every route that is not open. */
    caller: Caller;
  }
}
