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
  /**
   * A disk for one connection, which closes it at its end; undefined if there is none of that name.
   *
   * @throws {ExportRefusal} if there is one, but not for this peer
   */
  open(name: string): Promise<ExportedDisk | undefined>;
}

export interface ExportEntry {
  readonly name: string;
  /** One line for people, such as "Samsung SSD 860, 500.1 GB". */
  readonly description: string;
}

/** A disk, and what a server tells of it beside its bytes. */
export interface ExportedDisk extends Disk {
  /** One line for people; that of the list if absent, which not all exports are in. */
  readonly description?: string | undefined;
  /** The same text means the same disk in the same running computer; hexadecimal digits. */
  readonly identity?: string | undefined;
}

/** An export is not for this peer, or not now; the message is a sentence for the peer. */
export class ExportRefusal extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ExportRefusal';
  }
}
