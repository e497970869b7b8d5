import { accessSync, constants, mkdirSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { issueCertificate } from '@diskferry/trust/authority';
import { messageOf } from '@diskferry/system/errors';
import { RefusedError } from '../refused-error.ts';
import { loadOrCreateAuthority } from './authority.ts';
import { Channels } from './channels.ts';
import { startClientGate } from './client-gate.ts';
import { Computers } from './computers.ts';
import { Enrolments } from './enrolments.ts';
import { listComputers } from './local-client.ts';
import { startLocalInterface } from './local-interface.ts';
import { interfacePath } from './run-folder.ts';
import { WriteGrants } from './write-grants.ts';

export interface ServeOptions {
  /** Keeps the authority and the enrolments. */
  readonly stateFolder: string;
  /** Gets the sockets. */
  readonly runFolder: string;
  /** The only address to listen on; all by default. */
  readonly listen?: string | undefined;
  /** 0 lets the kernel choose. */
  readonly port: number;
  /** Names and addresses of this server besides those that it knows itself. */
  readonly hosts: readonly string[];
  readonly log: (line: string) => void;
  /** How long grants wait for a computer that is gone, in ms. */
  readonly grantGraceMs?: number;
}

export interface ImagingServer {
  readonly port: number;
  /** The names and addresses in the server's certificate. */
  readonly hosts: readonly string[];
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
 * Lets imaging clients dial in, and offers their disks to programs of this machine.
 *
 * @throws {RefusedError} `SERVE_RUNS` when another one uses the same run folder, `RUN_FOLDER` when it cannot be used
 * @throws {DiskferryError} `AUTHORITY_DAMAGED`, `LISTEN_FAILED`, `SOCKET_FAILED`
 */
export async function startServer(options: ServeOptions): Promise<ImagingServer> {
  const { stateFolder, runFolder, log } = options;
  makeRunFolder(runFolder);
  const path = interfacePath(runFolder);
  if ((await listComputers(path)) !== undefined) {
    throw new RefusedError('SERVE_RUNS', `another "diskferry serve" uses ${runFolder}; end it first`);
  }
  const hosts = [...new Set([...options.hosts, ...ownHosts()])];
  const authority = await loadOrCreateAuthority(authorityFolder(stateFolder));
  const identity = await issueCertificate(authority, { commonName: 'diskferry server', hosts });

  const enrolments = enrolmentsOf(stateFolder);
  const channels = new Channels();
  const dropRevoked = (): Promise<void> =>
    computers.disconnect(({ enrolment }) => !enrolments.isValid(enrolment), 'its enrolment was revoked');
  const computers: Computers = new Computers({
    channels,
    runFolder,
    log,
    onConnected: (computer) => {
      void dropRevoked();
      void grants.restore(computer);
    },
  });
  const grants = new WriteGrants(computers, { runFolder, graceMs: options.grantGraceMs });
  const local = await startLocalInterface({ path, computers, grants });
  const watcher = enrolments.onChange(() => void dropRevoked());
  const stop = async (): Promise<void> => {
    watcher.close();
    await computers.close('the server ends');
    await local.close();
  };
  const gate = await startClientGate({
    identity,
    host: options.listen,
    port: options.port,
    enrolments,
    channels,
    onClient: (client) => void computers.attend(client),
  }).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return {
    port: gate.port,
    hosts,
    close: async () => {
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
