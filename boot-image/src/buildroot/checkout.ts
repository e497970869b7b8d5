import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { UsageError } from '@diskferry/system/errors';

/** Release series of Buildroot with which the defconfig was seen to keep every option, the oldest first. */
const SUPPORTED = ['2026.02', '2026.05', '2026.08'] as const;

/** A Buildroot checkout or unpacked release. */
export interface Checkout {
  readonly path: string;
  /** Such as 2026.05.1. */
  readonly version: string;
}

/**
 * Looks whether a folder is a Buildroot that the tree was written for.
 *
 * @throws {UsageError} when it is not
 */
export async function openCheckout(folder: string): Promise<Checkout> {
  const path = resolve(folder);
  const makefile = await readFile(join(path, 'Makefile'), 'utf8').catch(() => '');
  const version = buildrootVersion(makefile);
  if (version === undefined) {
    throw new UsageError(`${path} is no Buildroot checkout: it has no Makefile with a BR2_VERSION`);
  }
  if (!isSupported(version)) {
    throw new UsageError(
      `${path} is Buildroot ${version}; the tree is written for ${SUPPORTED.join(', ')} and their point releases`,
    );
  }
  return { path, version };
}

/** The version that Buildroot's main Makefile states. */
export function buildrootVersion(makefile: string): string | undefined {
  return /^export BR2_VERSION := (\S+)$/m.exec(makefile)?.[1];
}

/** Point releases, release candidates and "-git" count as their series. */
export function isSupported(version: string): boolean {
  const [, series] = /^(\d{4}\.\d{2})([.-]|$)/.exec(version) ?? [];
  return SUPPORTED.some((known) => known === series);
}
