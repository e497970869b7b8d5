export interface EventTables {
  readonly events: EventRow;
}

/** Something that happened and that somebody may want to know. */
export interface EventRow {
  readonly id: string;
  readonly at: string;
  /** What happened, with dots from the general to the special, such as "computer.unknown". */
  readonly kind: string;
  readonly severity: Severity;
  /** Whom it is about: "computer", "image", "job", ... and its id; null for the server itself. */
  readonly subjectKind: string | null;
  readonly subjectId: string | null;
  /** A sentence. */
  readonly message: string;
  /** JSON; facts for programs. */
  readonly data: string;
}

/** An `alert` waits for an administrator. */
export type Severity = 'info' | 'warning' | 'alert';
