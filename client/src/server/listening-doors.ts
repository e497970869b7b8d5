import { accessStatus } from '../access/access-status.ts';
import { configuredAccess } from '../access/configured-access.ts';
import type { ServeOptions } from '../command-line.ts';
import { startControlServer } from '../control/control-server.ts';
import type { Doors, Offer } from '../doors.ts';
import { VERSION } from '../version.ts';
import { startDiskServer } from './disk-server.ts';

/**
 * Listens for servers: on one port for their control channels, on another for disks.
 *
 * @throws {AccessSetupError} for keys that cannot be used
 * @throws {ListenError} for a port that cannot be used
 */
export async function openListeningDoors(options: ServeOptions, offer: Offer): Promise<Doors> {
  const { host } = options;
  const access = await configuredAccess(options);
  const disks = await startDiskServer({
    port: options.port,
    host,
    access,
    catalogFor: (peer) => offer.catalogFor(access, peer),
  });
  const control = await startControlServer({
    port: options.controlPort,
    host,
    version: VERSION,
    readInventory: offer.readInventory,
    listDisks: offer.listDisks,
    departure: offer.departure,
    access,
  }).catch(async (error: unknown) => {
    await disks.close();
    throw error;
  });
  return {
    access,
    status: () => ({ port: disks.port, controlPort: control.port, access: accessStatus(access) }),
    close: async () => {
      await Promise.all([disks.close(), control.close()]);
    },
  };
}
