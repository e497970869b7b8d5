import { ByteBudget } from '@diskferry/protocol/nbd/byte-budget';
import { serveConnection } from '@diskferry/protocol/nbd/server';
import { ownIdentity } from '../access/configured-access.ts';
import type { Doors, Offer } from '../doors.ts';
import { VERSION } from '../version.ts';
import { managedAccess } from './managed-access.ts';
import { type ManagedState, startManagedClient } from './managed-client.ts';
import { type ManagedOptions, readManagedSettings } from './managed-settings.ts';
import { oneDisk } from './one-disk.ts';

const MS_PER_SECOND = 1000;

/**
 * Dials the server and listens nowhere.
 *
 * @throws {SettingsError} for files that are not what they should be
 * @throws {AddressError} for a server that is no address
 * @throws {AccessSetupError} for a key that cannot be kept
 */
export async function openDiallingDoors(
  { managed, stateFolder }: { readonly managed: ManagedOptions; readonly stateFolder: string },
  offer: Offer,
): Promise<Doors> {
  const settings = readManagedSettings(managed);
  const access = managedAccess(settings.server);
  const budget = new ByteBudget();
  const { readInventory, listDisks, departure } = offer;
  const client = startManagedClient({
    settings,
    identity: await ownIdentity(stateFolder),
    control: { version: VERSION, readInventory, listDisks, departure, access },
    serveDisks: async ({ stream, peer, disk, shutdown }) => {
      const catalog = offer.catalogFor(access, access.identify(peer));
      const seen = disk === undefined ? catalog : oneDisk(catalog, disk);
      await serveConnection(stream, () => ({ catalog: seen }), { budget, shutdown });
    },
  });
  return {
    access,
    status: () => ({ port: 0, controlPort: 0, access: managedStatus(client.state) }),
    close: () => client.close(),
  };
}

function managedStatus({ server, isConnected, trouble, nextTryAtMs }: ManagedState) {
  const nextTryInSeconds =
    nextTryAtMs === undefined ? undefined : Math.max(0, nextTryAtMs - performance.now()) / MS_PER_SECOND;
  return { kind: 'managed', server, isConnected, trouble, nextTryInSeconds } as const;
}
