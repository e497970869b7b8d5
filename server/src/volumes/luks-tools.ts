import { CommandError, run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import { newMappingName } from './device-mapper.ts';
import type { KeyDerivation, LuksHeader } from './luks-header.ts';

/** cryptsetup(8), return codes: no permission, which means a wrong passphrase. */
const WRONG_PASSPHRASE = 2;
const SECTOR = 512;

interface OpenOptions {
  readonly session: Session;
  readonly signal?: AbortSignal | undefined;
  readonly passphrase: string;
  /** More words for `cryptsetup open`. */
  readonly words?: readonly string[];
}

/**
 * Opens an encrypted volume for the time of one piece of work, which gets the device of its contents.
 *
 * @throws {CommandError} when it cannot be opened
 */
export async function withOpenVolume<T>(
  device: string,
  { session, signal, passphrase, words = [] }: OpenOptions,
  work: (path: string) => Promise<T>,
): Promise<T> {
  const name = newMappingName(session);
  const mapping = { kind: 'mapping', name } as const;
  session.hold(mapping);
  try {
    // Free space that is discarded inside shall not stay allocated outside.
    const open = ['open', '--type', 'luks', '--allow-discards', '--key-file', '-', ...words, device, name];
    await run(['cryptsetup', ...open], { input: passphrase, signal });
    return await work(`/dev/mapper/${name}`);
  } finally {
    await session.release(mapping);
  }
}

/** The number of the key slot that the passphrase opens; undefined when it opens none. */
export async function findKeySlot(
  device: string,
  { passphrase, signal }: Pick<OpenOptions, 'passphrase' | 'signal'>,
): Promise<number | undefined> {
  try {
    const open = ['open', '--type', 'luks', '--test-passphrase', '--verbose', '--key-file', '-', device];
    const { stdout } = await run(['cryptsetup', ...open], { input: passphrase, signal });
    return Number(/Key slot (\d+) unlocked/.exec(stdout)?.[1]);
  } catch (error) {
    if (error instanceof CommandError && error.exitCode === WRONG_PASSPHRASE) return undefined;
    throw error;
  }
}

/** How the twin of an encrypted volume is made. */
export interface NewLuksVolume {
  readonly header: LuksHeader;
  readonly keySlot: number;
  readonly passphrase: string;
}

/** Makes an encrypted volume like another one, with one passphrase and a volume key of its own. */
export async function formatVolume(
  device: string,
  { header, keySlot, passphrase }: NewLuksVolume,
  { session, signal }: Pick<OpenOptions, 'session' | 'signal'>,
): Promise<void> {
  const { derivation } = header.keySlots.get(keySlot) ?? {};
  const words = [
    ['--type', `luks${header.version}`],
    ['--uuid', header.uuid],
    ['--cipher', header.cipher],
    ['--key-size', String(header.keyBytes * 8)],
    ['--hash', derivation?.kind === 'pbkdf2' ? derivation.hash : header.hash],
    ['--offset', String(header.dataOffset / SECTOR)],
    ['--key-slot', String(keySlot)],
    ...(derivation === undefined ? [] : [derivationWords(header.version, derivation)]),
    ...(header.version === 2 ? luks2Words(header) : []),
  ].flat();
  const format = ['luksFormat', '--batch-mode', ...words, '--key-file', '-', device];
  await run(['cryptsetup', ...format], { input: passphrase, signal });
  const flags = flagWords(header);
  if (flags.length === 0) return;
  const options = { session, signal, passphrase, words: ['--persistent', ...flags] };
  await withOpenVolume(device, options, async () => {});
}

function luks2Words({ label, subsystem, sectorBytes, areas }: LuksHeader): string[] {
  return [
    ...(label === '' ? [] : ['--label', label]),
    ...(subsystem === '' ? [] : ['--subsystem', subsystem]),
    '--sector-size',
    String(sectorBytes),
    ...(areas === undefined
      ? []
      : [
          '--luks2-metadata-size',
          String(areas.metadataBytes),
          '--luks2-keyslots-size',
          String(areas.keySlotsBytes),
        ]),
  ];
}

function derivationWords(version: 1 | 2, derivation: KeyDerivation): string[] {
  const words = ['--pbkdf-force-iterations', String(derivation.iterations)];
  if (derivation.kind === 'pbkdf2') return version === 1 ? words : ['--pbkdf', 'pbkdf2', ...words];
  const { memoryKib, threads } = derivation;
  const costs = ['--pbkdf-memory', String(memoryKib), '--pbkdf-parallel', String(threads)];
  return ['--pbkdf', derivation.kind, ...words, ...costs];
}

/** The names of cryptsetup's options; "allow-discards" is always given. */
const FLAG_OPTIONS: Readonly<Record<string, string>> = {
  'same-cpu-crypt': '--perf-same_cpu_crypt',
  'submit-from-crypt-cpus': '--perf-submit_from_crypt_cpus',
  'no-read-workqueue': '--perf-no_read_workqueue',
  'no-write-workqueue': '--perf-no_write_workqueue',
};

/**
 * The flags that are kept in the header. They are all written at once, so "allow-discards" would come in with the others: a
 * volume without it keeps none.
 */
function flagWords({ flags }: LuksHeader): string[] {
  if (!flags.includes('allow-discards')) return [];
  return ['--allow-discards', ...flags.flatMap((flag) => FLAG_OPTIONS[flag] ?? [])];
}
