/** How a boot loader starts a Linux. Paths are from the top of the volume that its configuration is on. */
export interface BootEntry {
  readonly kernel: string;
  readonly initrds: readonly string[];
  readonly commandLine: string;
}

const LINUX = /^(?:linux|linux16|linuxefi)$/;
const INITRD = /^(?:initrd|initrd16|initrdefi)$/;

/**
 * Finds the first entry of a `grub.cfg` as distributions generate it, which is the one that starts without a choice. Undefined
 * where none starts a Linux by names that stand there in full.
 */
export function readGrubConfiguration(text: string): BootEntry | undefined {
  let kernel: readonly string[] | undefined;
  for (const line of text.split('\n')) {
    const [command = '', ...words] = wordsOf(line);
    if (command === 'menuentry') kernel = undefined;
    if (LINUX.test(command)) kernel = words;
    if (INITRD.test(command) && kernel !== undefined) return entryOf(kernel, words);
  }
  return undefined;
}

/** Understands an entry of the Boot Loader Specification, as Fedora and its kin have it in `loader/entries`. */
export function readLoaderEntry(text: string): BootEntry | undefined {
  const fields = text.split('\n').map(wordsOf);
  const all = (name: string): string[] =>
    fields.filter(([field]) => field === name).flatMap(([, ...words]) => words);
  const [kernel] = all('linux');
  return kernel === undefined ? undefined : entryOf([kernel, ...all('options')], all('initrd'));
}

function entryOf(
  [kernel = '', ...words]: readonly string[],
  initrds: readonly string[],
): BootEntry | undefined {
  // A variable of GRUB: what it holds is not known here. That of an empty setting of Fedora is no loss.
  const known = words.filter((word) => word !== '$tuned_params');
  const paths = initrds.filter((path) => path !== '$tuned_initrd');
  const isPlain = [kernel, ...paths, ...known].every((word) => !word.includes('$'));
  if (!isPlain || !kernel.startsWith('/') || paths.length === 0) return undefined;
  return { kernel, initrds: paths, commandLine: known.join(' ') };
}

/** Words of a line; quotes hold words together and go away, as far as generated files need it. */
function wordsOf(line: string): string[] {
  return [...line.trim().matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g)].map(([word]) =>
    word.replaceAll(/["']/g, ''),
  );
}
