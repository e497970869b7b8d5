import { on, once } from 'node:events';
import {
  MAX_CONTROL_MESSAGE_BYTES,
  parseClientMessage,
  serialiseControlMessage,
} from '@diskferry/protocol/control';
import { CONTROL_PORT, type HostAddress } from '@diskferry/protocol/disk-address';
import type { Inventory } from '@diskferry/protocol/inventory';
import { DiskferryError, messageOf } from '@diskferry/system/errors';
import { WebSocket } from 'ws';

const DEFAULT_TIMEOUT_MS = 30_000;
const REQUEST_ID = 1;

/**
 * Asks an imaging client what computer it runs on, over its control channel.
 *
 * @throws {DiskferryError} `CONTROL_FAILED`
 */
export async function fetchInventory(
  { host, port = CONTROL_PORT }: Pick<HostAddress, 'host'> & Partial<HostAddress>,
  { signal, timeoutMs = DEFAULT_TIMEOUT_MS }: { signal?: AbortSignal; timeoutMs?: number | undefined } = {},
): Promise<Inventory> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const limit = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  const socket = new WebSocket(`ws://${host.includes(':') ? `[${host}]` : host}:${port}/`, {
    maxPayload: MAX_CONTROL_MESSAGE_BYTES,
    handshakeTimeout: timeoutMs,
  });
  try {
    return await converse(socket, limit);
  } catch (error) {
    signal?.throwIfAborted();
    const why = timeout.aborted ? `no answer for ${timeoutMs / 1000} s` : messageOf(error);
    throw new DiskferryError(
      'CONTROL_FAILED',
      `the control channel of ${host} port ${port} does not work: ${why}; was that machine booted from diskferry's CD?`,
      { cause: error },
    );
  } finally {
    socket.terminate();
  }
}

async function converse(socket: WebSocket, signal: AbortSignal): Promise<Inventory> {
  // Listening begins before the connection is open: the client's hello may come with the handshake.
  const messages = on(socket, 'message', { signal, close: ['close'] });
  await once(socket, 'open', { signal });
  socket.send(serialiseControlMessage({ type: 'get-inventory', id: REQUEST_ID }));
  for await (const [data] of messages as AsyncIterable<[Buffer]>) {
    const message = parseClientMessage(data);
    if (message.type === 'inventory' && message.id === REQUEST_ID) return message.inventory;
    if (message.type === 'error') throw new DiskferryError(message.code, message.message);
  }
  throw new DiskferryError('CONTROL_CLOSED', 'it was closed before it answered');
}
