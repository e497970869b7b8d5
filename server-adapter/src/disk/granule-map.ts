/** Where the bytes of a granule are. */
export const GranuleState = {
  /** In the disk below, never changed. */
  Below: 0,
  /** In the layer. */
  Layer: 1,
  /** Nowhere: it was zeroed and reads as zeros. */
  Zero: 2,
  /** Nowhere: it was discarded, so that nobody needs it, and reads as zeros. */
  Discarded: 3,
} as const;
export type GranuleState = (typeof GranuleState)[keyof typeof GranuleState];

/** Granules whose states lie in one page; 128 MiB of disk with granules of 4 KiB. */
const GRANULES_PER_PAGE = 32_768;
const BITS_PER_GRANULE = 2;
const GRANULES_PER_BYTE = 8 / BITS_PER_GRANULE;
const STATE_MASK = (1 << BITS_PER_GRANULE) - 1;
/** Bytes of a page whose granules have all the same state. */
const UNIFORM_BYTES: readonly number[] = [0x00, 0x55, 0xaa, 0xff];

/** States of a page: one for all its granules, or two bits for each. */
type Page = GranuleState | Uint8Array;

/** Granules of one state, from `first` up to, not including, `end`. */
export interface GranuleRun {
  readonly first: number;
  readonly end: number;
  readonly state: GranuleState;
}

/**
 * The state of every granule of a disk, in pages that exist only where states are mixed: a disk of 16 TiB costs
 * nothing at first, 8 KiB for each 128 MiB that is written here and there, and at most 1 GiB.
 */
export class GranuleMap {
  readonly #pages = new Map<number, Page>();

  get(granule: number): GranuleState {
    const page = this.#pages.get(Math.floor(granule / GRANULES_PER_PAGE)) ?? GranuleState.Below;
    if (typeof page === 'number') return page;
    const index = granule % GRANULES_PER_PAGE;
    const byte = page[Math.floor(index / GRANULES_PER_BYTE)] ?? 0;
    return ((byte >> shiftOf(index)) & STATE_MASK) as GranuleState;
  }

  /** Sets the state of the granules from `first` up to, not including, `end`. */
  set(first: number, end: number, state: GranuleState): void {
    for (let granule = first; granule < end; ) {
      const pageIndex = Math.floor(granule / GRANULES_PER_PAGE);
      const pageFirst = pageIndex * GRANULES_PER_PAGE;
      const pageEnd = pageFirst + GRANULES_PER_PAGE;
      const stop = Math.min(end, pageEnd);
      if (granule === pageFirst && stop === pageEnd) this.#pages.set(pageIndex, state);
      else fill(this.#mixedPage(pageIndex), granule - pageFirst, stop - pageFirst, state);
      granule = stop;
    }
  }

  /** The granules from `first` up to, not including, `end`, grouped by state. */
  *runs(first: number, end: number): Generator<GranuleRun> {
    for (let start = first; start < end; ) {
      const state = this.get(start);
      let stop = this.#surelyAlike(start);
      while (stop < end && this.get(stop) === state) stop = this.#surelyAlike(stop);
      stop = Math.min(stop, end);
      yield { first: start, end: stop, state };
      start = stop;
    }
  }

  /** The end of granules from `granule` on that have its state and are found at once: its page's, or its byte's. */
  #surelyAlike(granule: number): number {
    const pageIndex = Math.floor(granule / GRANULES_PER_PAGE);
    const page = this.#pages.get(pageIndex) ?? GranuleState.Below;
    if (typeof page === 'number') return (pageIndex + 1) * GRANULES_PER_PAGE;
    const index = granule % GRANULES_PER_PAGE;
    if (index % GRANULES_PER_BYTE !== 0) return granule + 1;
    const pattern = page[index / GRANULES_PER_BYTE] ?? 0;
    if (!UNIFORM_BYTES.includes(pattern)) return granule + 1;
    let end = index / GRANULES_PER_BYTE + 1;
    while (end < page.length && page[end] === pattern) end++;
    return pageIndex * GRANULES_PER_PAGE + end * GRANULES_PER_BYTE;
  }

  #mixedPage(pageIndex: number): Uint8Array {
    const page = this.#pages.get(pageIndex) ?? GranuleState.Below;
    if (typeof page !== 'number') return page;
    const mixed = new Uint8Array(GRANULES_PER_PAGE / GRANULES_PER_BYTE);
    fill(mixed, 0, GRANULES_PER_PAGE, page);
    this.#pages.set(pageIndex, mixed);
    return mixed;
  }
}

function shiftOf(index: number): number {
  return (index % GRANULES_PER_BYTE) * BITS_PER_GRANULE;
}

function fill(page: Uint8Array, first: number, end: number, state: GranuleState): void {
  for (let index = first; index < end; index++) {
    const at = Math.floor(index / GRANULES_PER_BYTE);
    const shift = shiftOf(index);
    page[at] = ((page[at] ?? 0) & ~(STATE_MASK << shift)) | (state << shift);
  }
}
