import { run } from '@diskferry/system/run';

/** What the signatures on a device say. */
export interface Signature {
  /** "unknown" when there is no signature. */
  readonly type: string;
  readonly version?: string | undefined;
  readonly uuid?: string | undefined;
  readonly label?: string | undefined;
  /** Several signatures contradict each other: nobody can say which one is right. */
  readonly ambiguous: boolean;
}

/** Exit codes of `blkid -p` (blkid(8)): nothing found, and ambivalent. */
const NOTHING_FOUND = 2;
const AMBIVALENT = 8;

/** Asks blkid by low-level probing, which looks at the device alone and not at its cache. */
export async function probeSignature(device: string): Promise<Signature> {
  const { stdout, exitCode } = await run(
    ['blkid', '-p', '-u', 'filesystem,raid,crypto,other', '-o', 'udev', device],
    { okExitCodes: [0, NOTHING_FOUND, AMBIVALENT] },
  );
  return parseSignature(stdout, exitCode === AMBIVALENT);
}

/** Reads the output of `blkid -o udev`. The values that end in _ENC have odd bytes as \xHH. */
export function parseSignature(output: string, ambiguous = false): Signature {
  const fields = new Map<string, string>();
  for (const line of output.split('\n')) {
    const separator = line.indexOf('=');
    if (separator > 0) fields.set(line.slice(0, separator), line.slice(separator + 1));
  }
  return {
    type: fields.get('ID_FS_TYPE') ?? 'unknown',
    version: fields.get('ID_FS_VERSION'),
    uuid: decode(fields.get('ID_FS_UUID_ENC')),
    label: decode(fields.get('ID_FS_LABEL_ENC')),
    ambiguous,
  };
}

function decode(encoded: string | undefined): string | undefined {
  if (encoded === undefined) return undefined;
  return encoded.replaceAll(/\\x([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
