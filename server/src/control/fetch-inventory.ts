import { CONTROL_PORT, type HostAddress } from '@diskferry/protocol/disk-address';
import type { Inventory } from '@diskferry/protocol/inventory';
import {
  type ControlConnectionOptions,
  openControlConnection,
} from '@diskferry/server-adapter/control/control-connection';

/**
 * Asks an imaging client what computer it runs on, over its control channel.
 *
 * @throws {DiskferryError} as openControlConnection; `NOT_PAIRED`
 * @throws {TrustError} if it is another computer than expected
 */
export async function fetchInventory(
  { host, port = CONTROL_PORT }: Pick<HostAddress, 'host'> & Partial<HostAddress>,
  options: ControlConnectionOptions = {},
): Promise<Inventory> {
  const connection = await openControlConnection({ host, port }, options);
  try {
    const { inventory } = await connection.ask({ type: 'get-inventory' }, 'inventory');
    return inventory;
  } finally {
    connection.close();
  }
}
