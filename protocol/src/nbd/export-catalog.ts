import type { Disk } from '../disk.ts';

/**
 * Who may see what: the exports for a peer, or a sentence that refuses. The peer is told the sentence, and may ask again
 * on the same connection.
 */
export type Admission = { readonly catalog: ExportCatalog } | { readonly refusal: string };

/** The disks that a server offers. */
export interface ExportCatalog {
  /** All exports, in the order in which people shall see them. */
  list(): Promise<readonly ExportEntry[]>;
  /** A disk for one connection, which closes it at its end; undefined if there is none of that name. */
  open(name: string): Promise<Disk | undefined>;
}

export interface ExportEntry {
  readonly name: string;
  /** One line for people, such as "Samsung SSD 860, 500.1 GB". */
  readonly description: string;
}
