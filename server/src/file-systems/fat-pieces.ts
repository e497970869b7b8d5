import { type FatGeometry, offsetOfCluster } from './fat-geometry.ts';
import type { ClusterRun } from './fat-table.ts';

const PIECE_BYTES = 1024 * 1024;

/** The clusters of one file on two volumes. */
export interface FilePlaces {
  readonly from: readonly ClusterRun[];
  readonly to: readonly ClusterRun[];
  /** In bytes, without what is behind the file's end in its last cluster. */
  readonly size: number;
}

/** Of the volume where `from` is, and of the one where `to` is. */
export type Geometries = readonly [from: FatGeometry, to: FatGeometry];

/** A part of a file that is in one piece on both volumes; offsets in bytes. */
export interface Piece {
  readonly from: number;
  readonly to: number;
  readonly length: number;
}

/** Divides a file into pieces of 1 MiB at most. */
export function* piecesOf({ from, to, size }: FilePlaces, [left, right]: Geometries): Generator<Piece> {
  const [source, twin] = [cursor(from, left), cursor(to, right)];
  for (let rest = size; rest > 0; ) {
    const length = Math.min(rest, PIECE_BYTES, source.room(), twin.room());
    yield { from: source.advance(length), to: twin.advance(length), length };
    rest -= length;
  }
}

interface Cursor {
  readonly room: () => number;
  readonly advance: (length: number) => number;
}

function cursor(runs: readonly ClusterRun[], geometry: FatGeometry): Cursor {
  let index = 0;
  let inRun = 0;
  const bytesOfRun = (): number => (runs[index]?.count ?? 0) * geometry.clusterSize;
  return {
    room: () => {
      if (inRun >= bytesOfRun()) {
        index++;
        inRun = 0;
      }
      return bytesOfRun() - inRun;
    },
    advance: (length) => {
      const offset = offsetOfCluster(geometry, runs[index]?.first ?? 0) + inRun;
      inRun += length;
      return offset;
    },
  };
}
