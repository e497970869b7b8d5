import { FileSystemError } from '../file-systems/errors.ts';

/**
 * How an encrypted volume derives a key from a passphrase: with memory (Argon2), or by counting (PBKDF2).
 */
export type KeyDerivation =
  | { readonly kind: 'pbkdf2'; readonly hash: string; readonly iterations: number }
  | {
      readonly kind: 'argon2i' | 'argon2id';
      readonly iterations: number;
      readonly memoryKib: number;
      readonly threads: number;
    };

/** One place that holds the volume key, encrypted with a passphrase. */
export interface KeySlot {
  readonly derivation: KeyDerivation;
}

/** What the header of an encrypted volume says. */
export interface LuksHeader {
  readonly version: 1 | 2;
  readonly uuid: string;
  readonly label: string;
  readonly subsystem: string;
  /** As cryptsetup writes it, such as aes-xts-plain64. */
  readonly cipher: string;
  readonly keyBytes: number;
  /** The unit of encryption, in bytes. */
  readonly sectorBytes: number;
  /** Where the encrypted contents begin, in bytes. */
  readonly dataOffset: number;
  readonly hash: string;
  /** By number. */
  readonly keySlots: ReadonlyMap<number, KeySlot>;
  /** Places of the header, in bytes; version 2. */
  readonly areas?: { readonly metadataBytes: number; readonly keySlotsBytes: number } | undefined;
  /** How the volume is opened if nothing else is said, such as "allow-discards". */
  readonly flags: readonly string[];
  /** Ways to open it without typing, such as by a TPM: their kinds. */
  readonly tokens: readonly string[];
  /** Why it cannot be made anew: a sentence without its end. */
  readonly obstacle?: string | undefined;
}

/** Both versions begin with it, and the number of the version (LUKS1 on-disk format 1.2.3; LUKS2 1.1.1). */
const MAGIC = Buffer.from('LUKS\xba\xbe', 'latin1');
/** Enough for the largest header of version 2. */
export const MOST_HEADER_BYTES = 4 * 1024 * 1024;
const LUKS1_SECTOR = 512;
const LUKS1_SLOTS = 8;
const LUKS1_SLOTS_OFFSET = 208;
const LUKS1_SLOT_BYTES = 48;
const LUKS1_SLOT_ACTIVE = 0x00ac71f3;
const LUKS2_BINARY_BYTES = 4096;

/**
 * Reads the header at the beginning of an encrypted volume.
 *
 * @throws {FileSystemError} `DAMAGED`
 */
export function parseLuksHeader(bytes: Buffer): LuksHeader {
  if (bytes.length < LUKS2_BINARY_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw damaged('it has no header');
  }
  const version = bytes.readUInt16BE(MAGIC.length);
  switch (version) {
    case 1:
      return parseLuks1(bytes);
    case 2:
      return parseLuks2(bytes);
    default:
      throw damaged(`its version is ${version}`);
  }
}

/**
 * Version 1: magic 6, version 2, cipher name 32, cipher mode 32, hash 32, payload offset 4, key bytes 4, digest 20, its salt 32
 * and iterations 4, UUID 40, then 8 key slots: active 4, iterations 4, salt 32, key material's offset 4 and stripes 4.
 */
function parseLuks1(bytes: Buffer): LuksHeader {
  const hash = textAt(bytes, 72, 32);
  const slots = Array.from({ length: LUKS1_SLOTS }, (_, number) => {
    const at = LUKS1_SLOTS_OFFSET + number * LUKS1_SLOT_BYTES;
    const isActive = bytes.readUInt32BE(at) === LUKS1_SLOT_ACTIVE;
    const derivation = { kind: 'pbkdf2', hash, iterations: bytes.readUInt32BE(at + 4) } as const;
    return { number, isActive, slot: { derivation } };
  });
  const dataOffset = bytes.readUInt32BE(104) * LUKS1_SECTOR;
  return {
    version: 1,
    uuid: textAt(bytes, 168, 40),
    label: '',
    subsystem: '',
    cipher: `${textAt(bytes, 8, 32)}-${textAt(bytes, 40, 32)}`,
    keyBytes: bytes.readUInt32BE(108),
    sectorBytes: LUKS1_SECTOR,
    dataOffset,
    hash,
    keySlots: new Map(slots.filter(({ isActive }) => isActive).map(({ number, slot }) => [number, slot])),
    flags: [],
    tokens: [],
    obstacle: dataOffset === 0 ? 'its contents are on another device than its header' : undefined,
  };
}

/** The parts of version 2's JSON that matter here. */
interface Luks2Json {
  readonly keyslots: Readonly<Record<string, Luks2KeySlot>>;
  readonly segments: Readonly<Record<string, Luks2Segment>>;
  readonly tokens?: Readonly<Record<string, { readonly type: string }>>;
  readonly digests: Readonly<Record<string, { readonly hash?: string }>>;
  readonly config: {
    readonly keyslots_size: string;
    readonly flags?: readonly string[];
    readonly requirements?: { readonly mandatory?: readonly string[] };
  };
}

interface Luks2KeySlot {
  readonly key_size: number;
  readonly af?: { readonly hash?: string };
  readonly kdf?: {
    readonly type: string;
    readonly hash?: string;
    readonly iterations?: number;
    readonly time?: number;
    readonly memory?: number;
    readonly cpus?: number;
  };
}

interface Luks2Segment {
  readonly type: string;
  readonly offset: string;
  readonly size: string;
  readonly encryption: string;
  readonly sector_size: number;
  readonly integrity?: object;
}

/**
 * Version 2: magic 6, version 2, header size 8, sequence 8, label 48, checksum kind 32, salt 64, UUID 40, subsystem 48; from
 * byte 4096 on JSON.
 */
function parseLuks2(bytes: Buffer): LuksHeader {
  const metadataBytes = Number(bytes.readBigUInt64BE(8));
  if (metadataBytes <= LUKS2_BINARY_BYTES || metadataBytes > bytes.length) {
    throw damaged(`its header has ${metadataBytes} bytes`);
  }
  const json = readJson(bytes.subarray(LUKS2_BINARY_BYTES, metadataBytes));
  const segments = Object.values(json.segments);
  const [segment] = segments;
  const [firstSlot] = Object.values(json.keyslots);
  if (segment === undefined || firstSlot === undefined) throw damaged('it has no contents or no key');
  const keySlots = Object.entries(json.keyslots).flatMap(([number, slot]) => {
    const derivation = derivationOf(slot);
    return derivation === undefined ? [] : [[Number(number), { derivation }] as const];
  });
  return {
    version: 2,
    uuid: textAt(bytes, 168, 40),
    label: textAt(bytes, 24, 48),
    subsystem: textAt(bytes, 208, 48),
    cipher: segment.encryption,
    keyBytes: firstSlot.key_size,
    sectorBytes: segment.sector_size,
    dataOffset: Number(segment.offset),
    hash: firstSlot.af?.hash ?? 'sha256',
    keySlots: new Map(keySlots),
    areas: { metadataBytes, keySlotsBytes: Number(json.config.keyslots_size) },
    flags: json.config.flags ?? [],
    tokens: Object.values(json.tokens ?? {}).map(({ type }) => type),
    obstacle: obstacleOf(json),
  };
}

function readJson(bytes: Buffer): Luks2Json {
  const end = bytes.indexOf(0);
  try {
    const json = JSON.parse(bytes.toString('utf8', 0, end < 0 ? bytes.length : end)) as Partial<Luks2Json>;
    if (json.keyslots && json.segments && json.digests && json.config) return json as Luks2Json;
  } catch {
    // The same sentence as for JSON of something else.
  }
  throw damaged('its description cannot be read');
}

function obstacleOf({ segments, config }: Luks2Json): string | undefined {
  const all = Object.values(segments);
  const [segment] = all;
  const [requirement] = config.requirements?.mandatory ?? [];
  if (requirement !== undefined) return `it needs "${requirement}", an unfinished change perhaps`;
  if (segment === undefined || all.length !== 1 || segment.type !== 'crypt') return 'it has several parts';
  if (segment.integrity !== undefined) return 'its sectors are authenticated by dm-integrity';
  if (segment.size !== 'dynamic') return 'its contents have a fixed size';
  if (Number(segment.offset) === 0) return 'its contents are on another device than its header';
  return undefined;
}

function derivationOf({ kdf }: Luks2KeySlot): KeyDerivation | undefined {
  if (kdf?.type === 'pbkdf2') {
    return { kind: 'pbkdf2', hash: kdf.hash ?? 'sha256', iterations: kdf.iterations ?? 0 };
  }
  if (kdf?.type !== 'argon2i' && kdf?.type !== 'argon2id') return undefined;
  const { time = 0, memory = 0, cpus = 1 } = kdf;
  return { kind: kdf.type, iterations: time, memoryKib: memory, threads: cpus };
}

function textAt(bytes: Buffer, offset: number, length: number): string {
  const field = bytes.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return field.toString('latin1', 0, end < 0 ? length : end);
}

function damaged(what: string): FileSystemError {
  return new FileSystemError('DAMAGED', `the encrypted volume cannot be understood: ${what}`);
}
