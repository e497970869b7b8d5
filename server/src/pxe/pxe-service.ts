import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '@diskferry/system/errors';
import { openSession } from '@diskferry/system/session';
import type { EventLog } from '../events/event-log.ts';
import { requireRoot } from '../refused-error.ts';
import { RegistryBootPolicy } from '../registry/boot-policy.ts';
import type { Registry } from '../registry/registry.ts';
import type { Enrolments } from '../serve/enrolments.ts';
import { describeEvent } from './boot-log.ts';
import { startPxeServer } from './pxe-server.ts';
import { describeSetup, type PxeSettings, pxeSetup } from './pxe-settings.ts';
import type { Log } from '../settings/server-settings.ts';

/** The interface may be pulled, or the other program on the port ended: it is tried again after that, in ms. */
const TRY_AGAIN_MS = 10_000;
/** The enrolment of the computers that boot from this server, where the settings name no folder with another one. */
const OWN_ENROLMENT = 'network-boot';

export interface PxeServiceOptions {
  readonly settings: PxeSettings & { readonly interface: string };
  /** Its states decide what computers start. */
  readonly registry: Registry;
  readonly events: EventLog;
  readonly enrolments: Enrolments;
  /** The certificate of the server's authority, as PEM. */
  readonly authority: string;
  /** Where the managed clients dial in: at the address of the interface, unless the settings say otherwise. */
  readonly port: number;
  /** Gets log, leases and, unless the settings name other media, the secret of our own enrolment. */
  readonly stateFolder: string;
  readonly log: Log;
}

/** The PXE server inside of `diskferry serve`. */
export interface PxeService {
  close(): Promise<void>;
}

/** Lets computers boot from the network. What fails is said and tried again; it ends nothing else. */
export function startPxeService(options: PxeServiceOptions): PxeService {
  const { events, log } = options;
  const stop = new AbortController();
  const { signal } = stop;
  const work = async (): Promise<void> => {
    let said: string | undefined;
    while (!signal.aborted) {
      try {
        await serve(options, signal, () => {
          said = undefined;
        });
      } catch (error) {
        const message = `No computer can boot from the network ${options.settings.interface}: ${messageOf(error)}`;
        if (message !== said) {
          log('error', `${message}; trying again every ${TRY_AGAIN_MS / 1000} s`);
          await events
            .add({ kind: 'pxe.failed', severity: 'alert', message: `${message}.` })
            .catch((cause: unknown) => log('warn', messageOf(cause)));
        }
        said = message;
        await sleep(TRY_AGAIN_MS, undefined, { signal }).catch(() => {});
      }
    }
  };
  const working = work();
  return {
    close: async () => {
      stop.abort();
      await working;
    },
  };
}

/** Until the signal. */
async function serve(options: PxeServiceOptions, signal: AbortSignal, onReady: () => void): Promise<void> {
  const { registry, port, stateFolder, log } = options;
  requireRoot('a PXE server');
  const settings = { ...options.settings, media: options.settings.media ?? ownMedia(options) };
  const setup = await pxeSetup(settings, ({ address }) => `${address}:${port}`);
  await using session = openSession('pxe');
  const server = await startPxeServer({
    ...setup,
    session,
    policy: new RegistryBootPolicy(registry, {
      unknown: settings.unknown ?? 'boot',
      secureBoot: settings['secure-boot'] === true,
    }),
    logFile: join(stateFolder, 'log.jsonl'),
    leasesFile: join(stateFolder, `leases-${setup.wire.name}`),
    onEvent: (event) => log('info', `PXE: ${describeEvent(event)}`),
    onNote: (text) => log('warn', `PXE: ${text}`),
  });
  try {
    onReady();
    log('info', `computers boot from the network ${describeSetup(setup)}, ${server.httpUrl}`);
    if (!signal.aborted) await once(signal, 'abort');
  } finally {
    await server.close();
  }
}

/**
 * A folder as `diskferry enrol` writes it. The secret stays the same over restarts, so that computers on standby dial in again; one
 * that was revoked is replaced by a new one at the next start.
 *
 * @throws {RefusedError} `ENROLMENT_EXISTS` when its secret is lost
 */
function ownMedia({ enrolments, authority, stateFolder }: PxeServiceOptions): string {
  const folder = join(stateFolder, 'media');
  const path = join(folder, 'enrolment');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, 'ca.pem'), authority);
  if (enrolments.admit(readIfThere(path)) === undefined) {
    writeFileSync(path, `${enrolments.create(OWN_ENROLMENT)}\n`, { mode: 0o600 });
  }
  return folder;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
