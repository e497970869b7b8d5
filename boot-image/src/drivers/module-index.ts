import { basename } from 'node:path';

/** The kernel modules of a kernel package and what each needs. */
export interface ModuleIndex {
  /** Path below /lib/modules/VERSION of each module by its canonical name. */
  readonly paths: ReadonlyMap<string, string>;
  /** Names of the modules that each needs loaded before it. */
  readonly needs: ReadonlyMap<string, readonly string[]>;
}

/** The kernel takes dash and underscore in module names for the same: modprobe(8). */
export function canonicalName(name: string): string {
  return name.replaceAll('-', '_');
}

/** The module name of a path such as kernel/drivers/net/virtio_net.ko. */
export function moduleName(path: string): string {
  return canonicalName(basename(path).replace(/\.ko(\.(gz|xz|zst))?$/, ''));
}

/**
 * Builds the index from depmod's modules.dep ("PATH: PATH PATH") and modules.softdep
 * ("softdep NAME pre: NAME... post: NAME..."): formats of modules.dep(5) and modprobe.d(5).
 * Soft dependencies count when a module of that name exists; some name algorithms or aliases instead.
 */
export function parseModuleIndex(modulesDep: string, modulesSoftdep: string): ModuleIndex {
  const paths = new Map<string, string>();
  const needs = new Map<string, string[]>();
  for (const line of modulesDep.split('\n')) {
    const [path, dependencies = ''] = line.split(':', 2);
    if (path === undefined || path === '') continue;
    paths.set(moduleName(path), path);
    needs.set(moduleName(path), dependencies.split(' ').filter(Boolean).map(moduleName));
  }
  for (const { name, others } of parseSoftDependencies(modulesSoftdep)) {
    needs.get(name)?.push(...others.filter((other) => paths.has(other)));
  }
  return { paths, needs };
}

function parseSoftDependencies(text: string): { name: string; others: string[] }[] {
  return text.split('\n').flatMap((line) => {
    const [keyword, name, ...words] = line.trim().split(/\s+/);
    if (keyword !== 'softdep' || name === undefined) return [];
    const others = words.filter((word) => word !== 'pre:' && word !== 'post:');
    return [{ name: canonicalName(name), others: others.map(canonicalName) }];
  });
}
