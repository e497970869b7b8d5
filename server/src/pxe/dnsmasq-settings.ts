import type { Gate } from './boot-decision.ts';
import { type Loader, loaderFile } from './loaders.ts';
import { uuidOnTheWire } from './machine-key.ts';
import type { WireInterface } from './wire-interface.ts';

/** Addresses that we hand out ourselves, where nobody else does. */
export interface DhcpRange {
  readonly from: string;
  readonly to: string;
  /** The way out of the network; machines get none without it. */
  readonly gateway?: string | undefined;
}

export interface DnsmasqSettings {
  readonly wire: WireInterface;
  /** Absent beside another DHCP server. */
  readonly dhcp: DhcpRange | undefined;
  readonly loaders: readonly Loader[];
  /** The folder that TFTP serves. */
  readonly tftpFolder: string;
  /** The file of `dhcpHosts`, read again at SIGHUP. */
  readonly hostsFile: string;
  readonly leasesFile: string;
  /** Of our own HTTP server, without a slash at the end. */
  readonly httpUrl: string;
  readonly gate: Gate;
}

const LEASE = '1h';

/**
 * The settings of dnsmasq. Tags carry the decision: `loader` architecture × `ipxe` or not × `answer` or not.
 *
 * A machine gets an answer if a rule for its MAC address says so; else if one for its UUID does; else as unknown machines do.
 */
export function dnsmasqSettings(settings: DnsmasqSettings): string {
  const { wire, dhcp, loaders, tftpFolder, hostsFile, leasesFile, httpUrl, gate } = settings;
  const lines = [
    '# No names are served, only addresses and loaders, and only on one interface.',
    'port=0',
    `interface=${wire.name}`,
    'except-interface=lo',
    '# Not bind-interfaces: TFTP would then take what comes for this address by another interface.',
    'bind-dynamic',
    '# An empty value: no file of process numbers.',
    'pid-file',
    'log-facility=-',
    'log-dhcp',
    `dhcp-leasefile=${leasesFile}`,
    'enable-tftp',
    `tftp-root=${tftpFolder}`,
    'dhcp-pxe-vendor=PXEClient,HTTPClient',
    '',
    ...loaders.flatMap(({ name, architectures }) =>
      architectures.flatMap((number) => [
        `dhcp-match=set:${name},option:client-arch,${number}`,
        `dhcp-match=set:supported,option:client-arch,${number}`,
      ]),
    ),
    'dhcp-userclass=set:ipxe,iPXE',
    `dhcp-hostsfile=${hostsFile}`,
    ...uuidLines(gate),
    ...answerLines(gate),
    '',
    ...loaders.map((loader) => bootLine(loader, httpUrl, wire.address)),
    '',
    ...(dhcp === undefined ? proxyLines(wire) : rangeLines(dhcp, settings)),
  ];
  return `${lines.join('\n')}\n`;
}

/** Which machines the DHCP side answers, by MAC address: one line each. */
export function dhcpHosts({ macs }: Gate): string {
  return [...macs]
    .map(([mac, answered]) => `${mac},set:${answered ? 'mac-served' : 'mac-ignored'}\n`)
    .join('');
}

function uuidLines({ uuids }: Gate): string[] {
  return [...uuids].flatMap(([uuid, answered]) =>
    // The first byte is the type of the identifier; there is only type 0.
    uuidOnTheWire(uuid).map(
      (bytes) => `dhcp-match=set:${answered ? 'uuid-served' : 'uuid-ignored'},97,00:${bytes}`,
    ),
  );
}

function answerLines({ unknown }: Gate): string[] {
  return [
    'tag-if=set:answer,tag:mac-served,tag:supported',
    'tag-if=set:answer,tag:uuid-served,tag:!mac-ignored,tag:supported',
    ...(unknown ? ['tag-if=set:answer,tag:!mac-ignored,tag:!uuid-ignored,tag:supported'] : []),
  ];
}

function bootLine(loader: Loader, httpUrl: string, address: string): string {
  return `dhcp-boot=tag:answer,tag:!ipxe,tag:${loader.name},${loaderFile(loader, httpUrl)},,${address}`;
}

/** iPXE is offered no file here, so that it asks at the port of boot servers: see proxy-answer.ts. */
function proxyLines({ network, netmask }: WireInterface): string[] {
  return [
    `dhcp-range=${network},proxy,${netmask}`,
    // Without any menu entry dnsmasq answers no PXE client beside another server. Nobody ever gets this one.
    'pxe-service=tag:never,X86PC,"diskferry",never',
    'dhcp-ignore=tag:!answer',
  ];
}

function rangeLines(
  { from, to, gateway }: DhcpRange,
  { wire: { address, netmask }, httpUrl }: DnsmasqSettings,
): string[] {
  return [
    `dhcp-range=${from},${to},${netmask},${LEASE}`,
    `dhcp-option=option:router${gateway === undefined ? '' : `,${gateway}`}`,
    `dhcp-boot=tag:answer,tag:ipxe,${httpUrl}/ipxe,,${address}`,
    // UEFI takes an answer to its HTTP boot only if it calls itself one.
    'dhcp-option-force=tag:answer,tag:uefi-http,option:vendor-class,HTTPClient',
  ];
}
