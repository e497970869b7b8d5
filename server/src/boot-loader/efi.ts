import { basename, dirname } from 'node:path/posix';
import { run } from '@diskferry/system/run';
import { messageOf } from '@diskferry/system/errors';
import type { BootPartition, MendingPart } from './boot-mending.ts';
import type { BootSurvey, EfiProgram } from './survey.ts';

/** What firmware starts of a disk that it has no entry for (UEFI 2.10, section 3.5.1.1), by the suffix of other programs. */
const FALLBACKS: Readonly<Record<string, string>> = {
  x64: 'BOOTX64.EFI',
  aa64: 'BOOTAA64.EFI',
  ia32: 'BOOTIA32.EFI',
};
const FALLBACK_FOLDER = '/EFI/BOOT';

/** A boot loader by the name of its program; the first that is found is taken. */
interface Loader {
  readonly name: string;
  readonly pattern: RegExp;
  /** Programs of the same folder that it starts from the folder where it is itself. */
  readonly companions: readonly RegExp[];
}

const GRUB_PROGRAM = /^grub(x64|aa64|ia32)\.efi$/i;
const LOADERS: readonly Loader[] = [
  // shim starts GRUB, or the program that enrols keys.
  {
    name: 'GRUB by shim',
    pattern: /^shim(x64|aa64|ia32)\.efi$/i,
    companions: [GRUB_PROGRAM, /^mm(?:x64|aa64|ia32)\.efi$/i],
  },
  { name: 'GRUB', pattern: GRUB_PROGRAM, companions: [] },
  { name: 'systemd-boot', pattern: /^systemd-boot(x64|aa64|ia32)\.efi$/i, companions: [] },
  { name: 'Windows Boot Manager', pattern: /^bootmgfw\.efi$/i, companions: [] },
  { name: 'rEFInd', pattern: /^refind_(x64|aa64|ia32)\.efi$/i, companions: [] },
];

/** How the disk starts under UEFI; undefined when it has no EFI program. */
export function planEfi(
  { efiPrograms }: BootSurvey,
  partitions: readonly BootPartition[],
): MendingPart | undefined {
  const [first] = efiPrograms;
  if (first === undefined) return undefined;
  const fallbacks = efiPrograms.filter(
    ({ path }) =>
      dirname(path).toUpperCase() === FALLBACK_FOLDER &&
      Object.values(FALLBACKS).includes(basename(path).toUpperCase()),
  );
  const found = LOADERS.flatMap((loader) => {
    const program = efiPrograms.find(({ path }) => loader.pattern.test(basename(path)));
    return program === undefined ? [] : [{ ...loader, program }];
  });
  const [best] = found;
  const names = found
    .map(({ name }) => name)
    .filter((name, index, all) => !(name === 'GRUB' && all[index - 1] === 'GRUB by shim'));
  const loader = `${names.length === 0 ? basename(first.path) : names.join(', ')} (UEFI)`;
  if (fallbacks.length > 0) return { loader };
  if (best === undefined) {
    const note =
      `the firmware of another computer starts only ${FALLBACK_FOLDER}/BOOTX64.EFI, which the disk does not have, ` +
      `and of ${first.path} it is not known here whether it would do; make an entry for it in the firmware's menu`;
    return { loader, notes: [note] };
  }
  return { loader, ...addFallback(best, best.program, efiPrograms, partitions) };
}

function addFallback(
  { name, pattern, companions }: Loader,
  program: EfiProgram,
  programs: readonly EfiProgram[],
  partitions: readonly BootPartition[],
): MendingPart {
  const { partition, path } = program;
  const suffix = pattern.exec(basename(path))?.[1]?.toLowerCase() ?? 'x64';
  const fallback = `${FALLBACK_FOLDER}/${FALLBACKS[suffix] ?? 'BOOTX64.EFI'}`;
  const beside = programs.filter(
    (one) =>
      one.partition === partition &&
      dirname(one.path) === dirname(path) &&
      companions.some((companion) => companion.test(basename(one.path))),
  );
  const copies = [
    { from: path, to: fallback },
    ...beside.map((one) => ({ from: one.path, to: `${FALLBACK_FOLDER}/${basename(one.path)}` })),
  ];
  const note =
    `${fallback} is missing, and entries of the firmware stay with the computer: ` +
    `${name} is copied there from ${dirname(path)}, so that every computer starts the disk`;
  if (!partitions.some(({ number }) => number === partition)) return { notes: [note] };
  return {
    notes: [note],
    steps: [
      {
        title: `copy ${name} from ${path} to ${fallback} in partition ${partition}`,
        run: async (_destination, deviceOf, { session, signal, warn }) => {
          const device = await deviceOf(partition);
          try {
            await copyPrograms(device, copies, { folder: session.folder, signal });
          } catch (error) {
            signal?.throwIfAborted();
            warn(`${fallback} could not be made; copy ${path} there by hand: ${messageOf(error)}`);
          }
        },
      },
    ],
    changedFiles: [{ partition, path: FALLBACK_FOLDER }],
  };
}

/** By mtools, as the kernel of this server may have no driver for FAT. */
async function copyPrograms(
  device: string,
  copies: readonly { readonly from: string; readonly to: string }[],
  { folder, signal }: { readonly folder: string; readonly signal: AbortSignal | undefined },
): Promise<void> {
  // It exists where it held nothing that starts, and then mmd fails; what matters shows itself when files are copied.
  await run(['mmd', '-D', 's', '-i', device, `::${FALLBACK_FOLDER}`], { signal, okExitCodes: [0, 1] });
  for (const { from, to } of copies) {
    const local = `${folder}/${basename(to)}`;
    await run(['mcopy', '-n', '-o', '-i', device, `::${from}`, local], { signal });
    await run(['mcopy', '-o', '-i', device, local, `::${to}`], { signal });
  }
}
