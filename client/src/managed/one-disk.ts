import type { ExportCatalog } from '@diskferry/protocol/nbd/export-catalog';

const GRANT = /;grant=.*$/;

/**
 * A catalog that has one export only, under its plain name even if it is a granted one: whoever is at the server's end
 * of the channel has been given exactly this disk, and need not know a token.
 */
export function oneDisk(catalog: ExportCatalog, exportName: string): ExportCatalog {
  const disk = exportName.replace(GRANT, '');
  return {
    list: async () => (await catalog.list()).filter(({ name }) => name === disk),
    open: async (name) => (name === disk ? catalog.open(exportName) : undefined),
  };
}
