import { type Gate, UNKNOWN_MACHINES } from './boot-decision.ts';
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
  /**
   * Addresses for machines with Secure Boot while they load, beside another DHCP server: Debian's signed GRUB asks only the
   * server that it has its address from, or that this one names.
   */
  readonly loading?: DhcpRange | undefined;
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
/** The shortest that dnsmasq takes is two minutes; loading takes one. */
const LOADING_LEASE = '10m';

/**
 * The settings of dnsmasq. Tags carry the decision: `loader` architecture × `ipxe` or not × `signed` or not × `answer` or not.
 *
 * A machine gets an answer if a rule for its MAC address says so; else if one for its UUID does; else as unknown machines do.
 */
export function dnsmasqSettings(settings: DnsmasqSettings): string {
  const { wire, dhcp, loaders, tftpFolder, hostsFile, leasesFile, gate } = settings;
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
    ...signedLines(gate, loaders),
    ...passLines(gate),
    ...answerLines(gate),
    '',
    ...loaders.map((loader) => bootLine(loader, settings)),
    '',
    ...(dhcp === undefined ? proxyLines(settings) : rangeLines(dhcp, settings)),
  ];
  return `${lines.join('\n')}\n`;
}

/** Which machines the DHCP side answers, by MAC address: one line each. */
export function dhcpHosts({ macs, signed, local }: Gate): string {
  return [...macs]
    .map(([mac, answered]) => {
      const tags = [
        answered ? 'mac-served' : 'mac-ignored',
        ...(signed !== 'all' && signed.has(mac) ? ['signed'] : []),
        ...(local.has(mac) ? ['mac-local'] : []),
      ];
      return `${[mac, ...tags.map((tag) => `set:${tag}`)].join(',')}\n`;
    })
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

/** Who gets the signed loader, but for the cards of `dhcpHosts`. */
function signedLines({ signed, uuids }: Gate, loaders: readonly Loader[]): string[] {
  if (signed === 'all') {
    const uefi = loaders.filter(({ name }) => name !== 'bios').flatMap(({ architectures }) => architectures);
    return [...new Set(uefi)].map((number) => `dhcp-match=set:signed,option:client-arch,${number}`);
  }
  return uuidMatches(
    [...uuids.keys()].filter((uuid) => signed.has(uuid)),
    'signed',
  );
}

/**
 * Machines with Secure Boot that get no answer. Those that shall start from their own disk: GRUB can only end with a success,
 * after which firmware shows its menu, and without an answer it goes on by itself. And those that ask over HTTP, for which there
 * is no signed loader.
 */
function passLines({ uuids, local }: Gate): string[] {
  const where = 'tag:signed,tag:uefi-signed';
  return [
    ...uuidMatches(
      [...uuids.keys()].filter((uuid) => local.has(uuid)),
      'uuid-local',
    ),
    'tag-if=set:passed,tag:signed,tag:uefi-http',
    `tag-if=set:passed,tag:mac-local,${where}`,
    `tag-if=set:passed,tag:uuid-local,tag:!mac-served,${where}`,
    ...(local.has(UNKNOWN_MACHINES) ? [`tag-if=set:passed,tag:!mac-served,tag:!uuid-served,${where}`] : []),
  ];
}

function uuidMatches(uuids: readonly string[], tag: string): string[] {
  return uuids.flatMap((uuid) => uuidOnTheWire(uuid).map((bytes) => `dhcp-match=set:${tag},97,00:${bytes}`));
}

function answerLines({ unknown }: Gate): string[] {
  return [
    'tag-if=set:answer,tag:mac-served,tag:supported,tag:!passed',
    'tag-if=set:answer,tag:uuid-served,tag:!mac-ignored,tag:supported,tag:!passed',
    ...(unknown ? ['tag-if=set:answer,tag:!mac-ignored,tag:!uuid-ignored,tag:supported,tag:!passed'] : []),
  ];
}

/** Exactly one line fits a machine: which of several counts depends on whether dnsmasq is a proxy. */
function bootLine(loader: Loader, { loaders, httpUrl, wire }: DnsmasqSettings): string {
  const isAlternative = loaders.some(
    ({ signed, architectures }) =>
      signed === true && architectures.some((number) => loader.architectures.includes(number)),
  );
  const signed = isAlternative ? `tag:${loader.signed === true ? '' : '!'}signed,` : '';
  return `dhcp-boot=tag:answer,tag:!ipxe,${signed}tag:${loader.name},${loaderFile(loader, httpUrl)},,${wire.address}`;
}

/** iPXE is offered no file here, so that it asks at the port of boot servers: see proxy-answer.ts. */
function proxyLines({ wire: { network, netmask }, loading }: DnsmasqSettings): string[] {
  return [
    // dnsmasq takes itself for a mere proxy if it finds the proxy's network first, which is the last one here.
    ...(loading === undefined
      ? [`dhcp-range=${network},proxy,${netmask}`]
      : [
          'tag-if=set:lent,tag:answer,tag:signed,tag:uefi-signed,tag:!ipxe',
          `dhcp-range=tag:lent,${loading.from},${loading.to},${netmask},${LOADING_LEASE}`,
          `dhcp-range=tag:!lent,${network},proxy,${netmask}`,
          'dhcp-option=tag:lent,option:router',
        ]),
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
