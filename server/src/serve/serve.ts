import { accessSync, constants, mkdirSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { issueCertificate } from '@diskferry/trust/authority';
import { messageOf } from '@diskferry/system/errors';
import { startPxeService } from '../pxe/pxe-service.ts';
import { RefusedError } from '../refused-error.ts';
import type { Log, ServerSettings } from '../settings/server-settings.ts';
import { loadOrCreateAuthority } from './authority.ts';
import { Channels } from './channels.ts';
import { startClientGate } from './client-gate.ts';
import { Computers } from './computers.ts';
import { type ServerCore, startCore } from './core.ts';
import { Enrolments } from './enrolments.ts';
import { listComputers } from './local-client.ts';
import { startLocalInterface } from './local-interface.ts';
import { interfacePath } from './run-folder.ts';
import { WriteGrants } from './write-grants.ts';

export interface ServeOptions {
  readonly settings: ServerSettings;
  /** Keeps the authority, the enrolments and, unless the settings say otherwise, the database. */
  readonly stateFolder: string;
  /** Gets the sockets. */
  readonly runFolder: string;
  readonly log: Log;
  /** How long grants wait for a computer that is gone, in ms. */
  readonly grantGraceMs?: number;
}

export interface ImagingServer {
  readonly port: number;
  /** The names and addresses in the server's certificate. */
  readonly hosts: readonly string[];
  /** The first administrator's token, if this start has made it: shown now and never again. */
  readonly firstToken: string | undefined;
  close(): Promise<void>;
}

/** Where the authority of a state folder is. */
export function authorityFolder(stateFolder: string): string {
  return join(stateFolder, 'authority');
}

/** The enrolments of a state folder. */
export function enrolmentsOf(stateFolder: string): Enrolments {
  return new Enrolments(join(stateFolder, 'enrolments'));
}

/**
 * Lets imaging clients dial in, offers their disks to programs of this machine, and answers the API.
 *
 * @throws {RefusedError} `SERVE_RUNS` when another one uses the same run folder, `RUN_FOLDER` when it cannot be used
 * @throws {DiskferryError} `AUTHORITY_DAMAGED`, `DATABASE_FAILED`, `DATABASE_NEWER`, `LISTEN_FAILED`, `SOCKET_FAILED`
 */
export async function startServer(options: ServeOptions): Promise<ImagingServer> {
  const { settings, stateFolder, runFolder, log } = options;
  makeRunFolder(runFolder);
  const path = interfacePath(runFolder);
  if ((await listComputers(path)) !== undefined) {
    throw new RefusedError('SERVE_RUNS', `another "diskferry serve" uses ${runFolder}; end it first`);
  }
  const hosts = [...new Set([...settings.hosts, ...ownHosts()])];
  const authority = await loadOrCreateAuthority(authorityFolder(stateFolder));
  const identity = await issueCertificate(authority, { commonName: 'diskferry server', hosts });

  const enrolments = enrolmentsOf(stateFolder);
  const channels = new Channels();
  const dropRevoked = (): Promise<void> =>
    computers.disconnect(({ enrolment }) => !enrolments.isValid(enrolment), 'its enrolment was revoked');
  const computers: Computers = new Computers({
    channels,
    runFolder,
    log: (line) => log('info', line),
    onConnected: (computer) => {
      void dropRevoked();
      void grants.restore(computer);
      void core.fleet.attend(computer);
    },
  });
  const grants = new WriteGrants(computers, { runFolder, graceMs: options.grantGraceMs });
  const core: ServerCore = await startCore({
    settings,
    stateFolder,
    runFolder,
    enrolments,
    connectedComputers: () => computers.list().length,
    log,
  });
  const local = await startLocalInterface({
    path,
    computers,
    grants,
    onApiRequest: core.api.handleLocal,
  }).catch(async (error: unknown) => {
    await core.close();
    throw error;
  });
  const watcher = enrolments.onChange(() => void dropRevoked());
  const stop = async (): Promise<void> => {
    watcher.close();
    await core.close();
    await computers.close('the server ends');
    await local.close();
  };
  const gate = await startClientGate({
    identity,
    host: settings.listen,
    port: settings.port,
    onRequest: core.api.handle,
    enrolments,
    channels,
    onClient: (client) => void computers.attend(client),
  }).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  const { pxe: pxeSettings } = settings;
  const pxe =
    pxeSettings.interface === undefined
      ? undefined
      : startPxeService({
          settings: { ...pxeSettings, interface: pxeSettings.interface },
          registry: core.registry,
          events: core.events,
          enrolments,
          authority: authority.certificate,
          port: gate.port,
          stateFolder: join(stateFolder, 'pxe'),
          log,
        });
  return {
    port: gate.port,
    hosts,
    firstToken: core.firstToken,
    close: async () => {
      await pxe?.close();
      await stop();
      await gate.close();
    },
  };
}

function makeRunFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.W_OK);
  } catch (cause) {
    throw new RefusedError(
      'RUN_FOLDER',
      `sockets cannot be made in ${folder}: ${messageOf(cause)}; be root, or set DISKFERRY_RUN to a folder of your own`,
      { cause },
    );
  }
}

/** What this machine is called and reached by now. */
function ownHosts(): string[] {
  const addresses = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    // A link-local address counts together with an interface, which no certificate names.
    .filter(({ address }) => !address.startsWith('fe80:'))
    .map(({ address }) => address);
  return [hostname(), 'localhost', ...addresses];
}
