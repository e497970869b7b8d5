import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { messageOf } from '@diskferry/system/errors';
import type { MediumSettings } from '@diskferry/system/medium/medium-settings';
import type { Session } from '@diskferry/system/session';
import { requireTools } from '@diskferry/system/tools';
import type { BootPolicy } from './boot-decision.ts';
import { findBootFiles } from './boot-files.ts';
import { appendEvent, type BootEvent } from './boot-log.ts';
import { startBootServer } from './boot-server.ts';
import { superviseDnsmasq } from './dnsmasq.ts';
import type { DnsmasqNews } from './dnsmasq-log.ts';
import { type DhcpRange, dhcpHosts, dnsmasqSettings } from './dnsmasq-settings.ts';
import { LOADERS, requireLoaders } from './loaders.ts';
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
  /** The folder of vmlinuz and initrd. */
  readonly filesFolder: string;
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
  findBootFiles(filesFolder);
  await requireFreePorts(wire);
  const appended = client === undefined ? [] : [writeSettingsFile(client, session)];
  const onEvent = loggingTo(options);
  const http = await startBootServer({
    wire,
    port: options.httpPort,
    policy,
    loaders: LOADERS,
    files: () => findBootFiles(filesFolder, appended),
    kernelWords: options.kernelWords,
    onEvent,
    onNote,
  });
  try {
    const dhcp = await startDhcpSide(options, http.url, newsTo(onEvent));
    return {
      httpUrl: http.url,
      close: async () => {
        await dhcp.close();
        await http.close();
      },
    };
  } catch (error) {
    await http.close();
    throw error;
  }
}

async function startDhcpSide(
  { session, wire, dhcp, policy, leasesFile, onNote }: PxeServerOptions,
  httpUrl: string,
  onNews: (news: DnsmasqNews) => void,
): Promise<{ close(): Promise<void> }> {
  const folder = makePublicFolder(session);
  const [hostsFile, settingsFile] = [join(folder, 'hosts'), join(session.folder, 'dnsmasq.conf')];
  session.hold({ kind: 'file', path: hostsFile });
  if (dhcp !== undefined) mkdirSync(dirname(leasesFile), { recursive: true, mode: 0o700 });
  const write = async (): Promise<{ settings: string; hosts: string }> => {
    const gate = await policy.gate();
    const settings = dnsmasqSettings({
      wire,
      dhcp,
      loaders: LOADERS,
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
    dhcp === undefined ? await openProxyPort({ wire, loaders: LOADERS, httpUrl, onNote }) : undefined;
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

/**
 * A folder that dnsmasq can still read when it has given up its rights. It holds the loaders, which everybody gets anyway, and
 * MAC addresses.
 */
function makePublicFolder(session: Session): string {
  const folder = `/run/diskferry-pxe-${randomBytes(4).toString('hex')}`;
  session.hold({ kind: 'directory', path: folder });
  mkdirSync(folder, { mode: 0o755 });
  for (const { path } of LOADERS.filter(({ by }) => by === 'tftp')) {
    const copy = join(folder, basename(path));
    session.hold({ kind: 'file', path: copy });
    copyFileSync(path, copy);
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
