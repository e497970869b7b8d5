import { DiskferryError } from '@diskferry/system/errors';
import { run } from '@diskferry/system/run';
import { KERNEL_METAPACKAGE } from './package-names.ts';

/** A package file as the signed package index of apt describes it. */
export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  /** Hash of the .deb file, hex. */
  readonly sha256: string;
  readonly depends: string;
}

/**
 * The versions of these packages that apt would install now.
 *
 * @throws {DiskferryError} `PACKAGE_UNKNOWN` when apt's lists do not have one of them
 */
export async function findPackages(names: readonly string[]): Promise<DebianPackage[]> {
  const { stdout } = await run(['apt-cache', 'show', '--no-all-versions', ...names], {
    okExitCodes: [0, 100],
  });
  const found = parsePackages(stdout);
  return names.map((name) => {
    const match = found.find((item) => item.name === name && item.sha256 !== '');
    if (match !== undefined) return match;
    throw new DiskferryError(
      'PACKAGE_UNKNOWN',
      `apt does not know where to get the package ${name}: run "apt-get update" once, on Debian 12 for amd64`,
    );
  });
}

/** The real kernel package behind Debian's metapackage, such as linux-image-6.1.0-56-amd64. */
export async function findKernelPackage(): Promise<DebianPackage> {
  const [metapackage] = await findPackages([KERNEL_METAPACKAGE]);
  const name = /^linux-image-\d\S*/.exec(metapackage?.depends ?? '')?.[0];
  if (name === undefined) {
    throw new DiskferryError(
      'PACKAGE_UNKNOWN',
      `${KERNEL_METAPACKAGE} names no kernel package in its dependencies: "${metapackage?.depends}"`,
    );
  }
  const [kernel] = await findPackages([name]);
  return kernel as DebianPackage;
}

/** Reads stanzas of "Field: value" lines with continuation lines, as deb822(5) says. */
export function parsePackages(text: string): DebianPackage[] {
  return text
    .split(/\n\n+/)
    .filter((stanza) => stanza.trim() !== '')
    .map((stanza) => {
      const field = (name: string): string =>
        new RegExp(`^${name}: *(.*)$`, 'm').exec(stanza)?.[1]?.trim() ?? '';
      return {
        name: field('Package'),
        version: field('Version'),
        sha256: field('SHA256'),
        depends: field('Depends'),
      };
    });
}
