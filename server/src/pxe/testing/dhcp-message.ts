/** A DHCP message as far as starting from the network needs it (RFC 2131, RFC 4578). */
export interface DhcpReply {
  /** Of the server that sent it. */
  readonly from: string;
  /** What the machine gets; 0.0.0.0 from a proxy. */
  readonly yourAddress: string;
  readonly nextServer: string;
  readonly bootFile: string;
  readonly vendorClass: string | undefined;
  /** How much iPXE believes it: 0 unless it says otherwise. */
  readonly ipxePriority: number;
  /** Whether it offers a router. */
  readonly hasRouter: boolean;
}

export interface DhcpQuestion {
  /** A boot server that is asked at its own port, as a machine does that has an address; by default all DHCP servers. */
  readonly bootServer?: string;
  readonly mac: string;
  /** Processor architecture, option 93. */
  readonly architecture: number;
  /** The bytes of option 97 behind the type, in hex. */
  readonly uuidBytes: string;
  readonly vendorClass: 'PXEClient' | 'HTTPClient';
  readonly isIpxe: boolean;
}

/** op 1, htype 1, hlen 6, hops 1, xid 4, secs 2, flags 2, ciaddr, yiaddr, siaddr, giaddr, chaddr 16, sname 64, file 128, cookie 4 */
const HEADER_BYTES = 240;
const PLACES = { id: 4, flags: 10, yourAddress: 16, nextServer: 20, hardware: 28, file: 108, cookie: 236 };
const FILE_BYTES = 128;
const BROADCAST = 0x8000;
const COOKIE = 0x63825363;
const OPTIONS = {
  router: 3,
  type: 53,
  wanted: 55,
  vendorClass: 60,
  bootFile: 67,
  userClass: 77,
  architecture: 93,
  undi: 94,
  uuid: 97,
  ipxe: 175,
};
const END = 255;
const DISCOVER = 1;
const REQUEST = 3;

export function makeQuestion(question: DhcpQuestion, id: number): Buffer {
  const { mac, architecture, uuidBytes, vendorClass, isIpxe, bootServer } = question;
  const header = Buffer.alloc(HEADER_BYTES);
  header.set([1, 1, 6]);
  header.writeUInt32BE(id, PLACES.id);
  header.writeUInt16BE(BROADCAST, PLACES.flags);
  header.set(Buffer.from(mac.replaceAll(':', ''), 'hex'), PLACES.hardware);
  header.writeUInt32BE(COOKIE, PLACES.cookie);
  const name = `${vendorClass}:Arch:${String(architecture).padStart(5, '0')}:UNDI:003016`;
  return Buffer.concat([
    header,
    option(OPTIONS.type, [bootServer === undefined ? DISCOVER : REQUEST]),
    option(OPTIONS.wanted, [1, OPTIONS.router, 43, 60, 66, 67, OPTIONS.uuid]),
    option(OPTIONS.vendorClass, Buffer.from(name)),
    ...(isIpxe ? [option(OPTIONS.userClass, Buffer.from('iPXE'))] : []),
    option(OPTIONS.architecture, [architecture >> 8, architecture & 0xff]),
    option(OPTIONS.undi, [1, 3, 16]),
    option(OPTIONS.uuid, [0, ...Buffer.from(uuidBytes, 'hex')]),
    Buffer.from([END]),
  ]);
}

/** Undefined for answers to somebody else. */
export function readReply(message: Buffer, from: string, id: number): DhcpReply | undefined {
  if (message.length < HEADER_BYTES || message.readUInt32BE(PLACES.id) !== id) return undefined;
  const options = new Map<number, Buffer>();
  for (let at = HEADER_BYTES; at + 1 < message.length && message[at] !== END; ) {
    const length = message[at + 1] ?? 0;
    options.set(message[at] ?? 0, message.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  const file = message.subarray(PLACES.file, PLACES.file + FILE_BYTES);
  return {
    from,
    yourAddress: [...message.subarray(PLACES.yourAddress, PLACES.yourAddress + 4)].join('.'),
    nextServer: [...message.subarray(PLACES.nextServer, PLACES.nextServer + 4)].join('.'),
    bootFile: textOf(options.get(OPTIONS.bootFile)) ?? textOf(file) ?? '',
    vendorClass: textOf(options.get(OPTIONS.vendorClass)),
    // Suboption 1, of one byte.
    ipxePriority: options.get(OPTIONS.ipxe)?.[2] ?? 0,
    hasRouter: options.has(OPTIONS.router),
  };
}

function option(number: number, data: ArrayLike<number> & Iterable<number>): Buffer {
  return Buffer.from([number, data.length, ...data]);
}

function textOf(bytes: Buffer | undefined): string | undefined {
  return bytes?.toString('latin1').replace(/\0.*$/s, '');
}
