/*
 * A DHCP message (RFC 2131): op 1, htype 1, hlen 1, hops 1, xid 4, secs 2, flags 2, ciaddr 4, yiaddr 4, siaddr 4, giaddr 4,
 * chaddr 16, sname 64, file 128, magic 4, options.
 */
const HEADER_BYTES = 240;
const PLACE = { operation: 0, nextServer: 20, relay: 24, hardware: 28, file: 108, magic: 236 } as const;
const MAC_BYTES = 6;
const FILE_BYTES = 128;
const REQUEST = 1;
const REPLY = 2;
const MAGIC = 0x63825363;

const OPTION = {
  pad: 0,
  vendorOptions: 43,
  messageType: 53,
  serverIdentifier: 54,
  vendorClass: 60,
  userClass: 77,
  architecture: 93,
  uuid: 97,
  ipxe: 175,
  end: 255,
} as const;
const DHCPREQUEST = 3;
const DHCPACK = 5;
/** PXE_DISCOVERY_CONTROL, 8: load the file that is named, look for no boot server (PXE specification 2.1, table 2-1). */
const LOAD_THE_FILE = [6, 1, 8, OPTION.end];
/** Suboption 1, priority (ipxe.org/howto/dhcpd): more than 0, which what other servers say has. */
const BEFORE_OTHERS = [1, 1, 1];
const CLASS_NAME = /^(PXEClient|HTTPClient)/;
const IPXE = 'iPXE';

/** What a machine asks for that was told to ask here. */
export interface ProxyQuestion {
  readonly isIpxe: boolean;
  readonly architecture: number;
  /** With colons. */
  readonly mac: string;
  /** As it was sent, in hex with colons; undefined where it was not. */
  readonly uuidBytes: string | undefined;
}

export interface ProxyAnswerOptions {
  /** The address of this server. */
  readonly address: string;
  /** What it shall load; undefined if there is nothing for it. */
  readonly fileFor: (question: ProxyQuestion) => string | undefined;
}

/**
 * Answers a request that came to the port of boot servers, 4011, beside another DHCP server; undefined where there is nothing
 * to say. dnsmasq could, but not so that iPXE believes it more than a boot file of the server that it has its address
 * from: for that the answer needs a priority, which dnsmasq does not send as a proxy.
 */
export function proxyAnswer(request: Buffer, { address, fileFor }: ProxyAnswerOptions): Buffer | undefined {
  const options = readOptions(request);
  const className = CLASS_NAME.exec(options?.get(OPTION.vendorClass)?.toString('latin1') ?? '')?.[1];
  const architecture = options?.get(OPTION.architecture);
  if (options === undefined || className === undefined || architecture?.length !== 2) return undefined;
  if (options.get(OPTION.messageType)?.[0] !== DHCPREQUEST) return undefined;
  const isIpxe = options.get(OPTION.userClass)?.toString('latin1') === IPXE;
  const uuid = options.get(OPTION.uuid);
  const file = fileFor({
    isIpxe,
    architecture: architecture.readUInt16BE(),
    mac: hexOf(request.subarray(PLACE.hardware, PLACE.hardware + MAC_BYTES)),
    // Before it stands the type of the identifier.
    uuidBytes: uuid === undefined ? undefined : hexOf(uuid.subarray(1)),
  });
  if (file === undefined || Buffer.byteLength(file) >= FILE_BYTES) return undefined;

  const server = Buffer.from(address.split('.').map(Number));
  const header = Buffer.from(request.subarray(0, HEADER_BYTES));
  header[PLACE.operation] = REPLY;
  header.set(server, PLACE.nextServer);
  header.fill(0, PLACE.relay, PLACE.relay + 4);
  header.fill(0, PLACE.file - 64, PLACE.magic);
  header.write(file, PLACE.file, 'latin1');
  return Buffer.concat([
    header,
    option(OPTION.messageType, [DHCPACK]),
    option(OPTION.serverIdentifier, server),
    option(OPTION.vendorClass, Buffer.from(className)),
    ...(uuid === undefined ? [] : [option(OPTION.uuid, uuid)]),
    option(OPTION.vendorOptions, LOAD_THE_FILE),
    option(OPTION.ipxe, BEFORE_OTHERS),
    Buffer.from([OPTION.end]),
  ]);
}

function hexOf(bytes: Buffer): string {
  return bytes.toString('hex').replaceAll(/(..)(?!$)/g, '$1:');
}

/** Undefined for what is no request. */
function readOptions(message: Buffer): ReadonlyMap<number, Buffer> | undefined {
  if (message.length < HEADER_BYTES || message[PLACE.operation] !== REQUEST) return undefined;
  if (message.readUInt32BE(PLACE.magic) !== MAGIC) return undefined;
  const options = new Map<number, Buffer>();
  for (let at = HEADER_BYTES; at < message.length && message[at] !== OPTION.end; ) {
    const number = message[at] ?? OPTION.end;
    if (number === OPTION.pad) {
      at++;
      continue;
    }
    const length = message[at + 1];
    if (length === undefined || at + 2 + length > message.length) return undefined;
    options.set(number, message.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return options;
}

function option(number: number, data: ArrayLike<number> & Iterable<number>): Buffer {
  return Buffer.from([number, data.length, ...data]);
}
