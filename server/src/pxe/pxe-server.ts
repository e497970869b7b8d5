import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { messageOf } from '@diskferry/system/errors';
import type { MediumSettings } from '@diskferry/system/medium/medium-settings';
import type { Session } from '@diskferry/system/session';
import { requireTools } from '@diskferry/system/tools';
import type { BootPolicy, Gate } from './boot-decision.ts';
import { BootDesk } from './boot-desk.ts';
import { findBootFiles } from './boot-files.ts';
import { appendEvent, type BootEvent } from './boot-log.ts';
import { startBootServer } from './boot-server.ts';
import { superviseDnsmasq } from './dnsmasq.ts';
import type { DnsmasqNews } from './dnsmasq-log.ts';
import { type DhcpRange, dhcpHosts, dnsmasqSettings } from './dnsmasq-settings.ts';
import { askingConfiguration } from './grub-scripts.ts';
import { startGrubServer } from './grub-server.ts';
import { type Loader, LOADERS, requireLoaders, SIGNED_GRUB, signedLoader } from './loaders.ts';
import { requireFreePorts } from './ports-in-use.ts';
import { openProxyPort } from './proxy-port.ts';
import { Recent } from './recent.ts';
import { writeSettingsFile } from './settings-file.ts';
import type { WireInterface } from './wire-interface.ts';

export interface PxeServerOptions {
  /** Holds everything; its folder gets the settings. */
  readonly session: Session;
  readonly wire: WireInterface;
  /** Absent beside another DHCP server. */
  readonly dhcp?: DhcpRange | undefined;
  /** Addresses for machines with Secure Boot while they load, beside another DHCP server. */
  readonly loading?: DhcpRange | undefined;
  /** The folder of vmlinuz and initrd. */
  readonly filesFolder: string;
  /** Whether machines get the drivers that are in no initrd, too: `extra-drivers` of that folder. */
  readonly extraDrivers: boolean;
  /** Makes the computers managed ones; without it they wait for somebody who knows their pairing code. */
  readonly client?: MediumSettings | undefined;
  /** Further words of the kernel command line. */
  readonly kernelWords: string;
  /** 0 lets the kernel choose. */
  readonly httpPort: number;
  readonly policy: BootPolicy;
  /** Gets one JSON object a line for each event. */
  readonly logFile: string;
  /** Of addresses that we hand out. */
  readonly leasesFile: string;
  readonly onEvent: (event: BootEvent) => void;
  readonly onNote: (text: string) => void;
}

export interface PxeServer {
  readonly httpUrl: string;
  close(): Promise<void>;
}

/** What the build calls the archive of all further drivers. */
const EXTRA_DRIVERS = 'extra-drivers';
/** Firmware asks four times and more, with growing pauses; then it is another start. */
const SAME_START_MS = 60_000;

/**
 * Lets the machines of one interface start from the network: dnsmasq for DHCP and TFTP, our own HTTP server for everything that
 * depends on the machine.
 *
 * @throws {RefusedError} `NOT_BUILT`, `IPXE_MISSING`, `PORT_IN_USE`
 * @throws {DiskferryError} `TOOLS_MISSING`, `DNSMASQ_FAILED`, `RULES_DAMAGED`
 */
export async function startPxeServer(options: PxeServerOptions): Promise<PxeServer> {
  const { session, wire, policy, client, filesFolder, onNote } = options;
  requireTools(['dnsmasq', 'ss']);
  requireLoaders();
  await requireFreePorts(wire);
  const appended = [
    ...(options.extraDrivers ? [join(filesFolder, EXTRA_DRIVERS)] : []),
    ...(client === undefined ? [] : [writeSettingsFile(client, session)]),
  ];
  findBootFiles(filesFolder, appended);
  const onEvent = loggingTo(options);
  const desk = new BootDesk({ policy, files: () => findBootFiles(filesFolder, appended), onEvent });
  const signed = signedLoader(filesFolder);
  const loaders = signed === undefined ? LOADERS : [...LOADERS, signed];
  // In the order of starting; closed the other way round.
  const started: { close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => {
    for (const part of started.toReversed()) await part.close();
  };
  const { kernelWords } = options;
  try {
    const http = await startBootServer({
      wire,
      port: options.httpPort,
      desk,
      loaders,
      kernelWords,
      onEvent,
      onNote,
    });
    started.push(http);
    const { port, url } = http;
    started.push(await startGrubServer({ wire, port, desk, kernelWords, onNote }));
    const dhcpSide = { loaders, httpUrl: url, grubPort: port, onNews: newsTo(onEvent) };
    started.push(await startDhcpSide(options, dhcpSide));
    return { httpUrl: url, close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface DhcpSide {
  readonly loaders: readonly Loader[];
  readonly httpUrl: string;
  /** Where GRUB asks by TFTP. */
  readonly grubPort: number;
  readonly onNews: (news: DnsmasqNews) => void;
}

async function startDhcpSide(
  options: PxeServerOptions,
  { loaders, httpUrl, grubPort, onNews }: DhcpSide,
): Promise<{ close(): Promise<void> }> {
  const { session, wire, dhcp, loading, policy, leasesFile, onNote } = options;
  const folder = makePublicFolder(session, loaders, askingConfiguration({ ...wire, port: grubPort }));
  const [hostsFile, settingsFile] = [join(folder, 'hosts'), join(session.folder, 'dnsmasq.conf')];
  session.hold({ kind: 'file', path: hostsFile });
  if (dhcp !== undefined) mkdirSync(dirname(leasesFile), { recursive: true, mode: 0o700 });
  let gate: Gate;
  let noted = false;
  const write = async (): Promise<{ settings: string; hosts: string }> => {
    gate = await policy.gate();
    if (!noted && (gate.signed === 'all' || gate.signed.size > 0)) {
      noted = true;
      noteObstacles(options, loaders);
    }
    const settings = dnsmasqSettings({
      wire,
      dhcp,
      loading,
      loaders,
      tftpFolder: folder,
      hostsFile,
      leasesFile: dhcp === undefined ? join(session.folder, 'leases') : leasesFile,
      httpUrl,
      gate,
    });
    const hosts = dhcpHosts(gate);
    writeFileSync(settingsFile, settings);
    writeFileSync(hostsFile, hosts, { mode: 0o644 });
    return { settings, hosts };
  };
  let current = await write();
  const dnsmasq = await superviseDnsmasq({ session, settingsFile, onNews, onNote });
  const proxyPort =
    dhcp === undefined
      ? await openProxyPort({ wire, loaders, httpUrl, gate: () => gate, onNote })
      : undefined;
  const followRules = async (): Promise<void> => {
    const before = current;
    current = await write();
    if (current.settings !== before.settings) await dnsmasq.restart();
    else if (current.hosts !== before.hosts) dnsmasq.reload();
  };
  // One after the other: two changes in one moment must not leave the older one in the files.
  let following = Promise.resolve();
  const stopFollowing = policy.onChange(() => {
    following = following.then(followRules).catch((error: unknown) => {
      onNote(`what was decided before still counts: ${messageOf(error)}`);
    });
  });
  return {
    close: async () => {
      stopFollowing();
      await following;
      await proxyPort?.close();
      await dnsmasq.close();
    },
  };
}

/** Why machines with Secure Boot may not start, said once for each start of the server. */
function noteObstacles(
  { wire, dhcp, loading, filesFolder, onNote }: PxeServerOptions,
  loaders: readonly Loader[],
): void {
  if (!loaders.some(({ signed }) => signed)) {
    onNote(
      `${filesFolder} has no signed loaders (shimx64.efi, ${SIGNED_GRUB}): Secure Boot refuses what is served`,
    );
  } else if (dhcp === undefined && loading === undefined) {
    onNote(
      'GRUB asks on at the server that it has its address from: give --loading-addresses FROM-TO for machines with Secure ' +
        `Boot, or have the DHCP server that is there name ${wire.address} as its next-server`,
    );
  }
}

/**
 * A folder that dnsmasq can still read when it has given up its rights. It holds the loaders, which everybody gets anyway, and
 * MAC addresses.
 */
function makePublicFolder(session: Session, loaders: readonly Loader[], grubConfiguration: string): string {
  const folder = `/run/diskferry-pxe-${randomBytes(4).toString('hex')}`;
  const makeFolder = (path: string): void => {
    session.hold({ kind: 'directory', path });
    mkdirSync(path, { mode: 0o755 });
  };
  const hold = (name: string): string => {
    const path = join(folder, name);
    session.hold({ kind: 'file', path });
    return path;
  };
  makeFolder(folder);
  for (const { path, signed } of loaders.filter(({ by }) => by === 'tftp')) {
    copyFileSync(path, hold(basename(path)));
    if (signed !== true) continue;
    copyFileSync(join(dirname(path), SIGNED_GRUB), hold(SIGNED_GRUB));
    makeFolder(join(folder, 'grub'));
    writeFileSync(hold('grub/grub.cfg'), grubConfiguration, { mode: 0o644 });
  }
  return folder;
}

function newsTo(onEvent: (event: BootEvent) => void): (news: DnsmasqNews) => void {
  const recent = new Recent(SAME_START_MS);
  return (news) => {
    if (!recent.isNew(JSON.stringify(news))) return;
    if (news.kind === 'unanswered') onEvent({ event: 'unanswered', mac: news.mac });
    if (news.kind === 'loader')
      onEvent({ event: 'loader', address: news.address, file: news.file, by: 'tftp' });
  };
}

/** A full disk must not keep machines from booting. */
function loggingTo({ logFile, onEvent, onNote }: PxeServerOptions): (event: BootEvent) => void {
  return (event) => {
    try {
      appendEvent(logFile, event);
    } catch (error) {
      onNote(`${logFile} cannot be written: ${messageOf(error)}`);
    }
    onEvent(event);
  };
}
