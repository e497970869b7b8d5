import type { FileFacts } from './file-facts.ts';
import type { FilePlaces } from './file-places.ts';
import {
  check,
  checkSize,
  linux,
  POSIX_FADV_RANDOM,
  SEEK_DATA,
  SEEK_HOLE,
  SystemCallError,
} from './linux.ts';

const BUFFER_BYTES = 1024 * 1024;
/** How far ahead of the copying a large file is asked for, in bytes: hides the way to a remote disk. */
const AHEAD_BYTES = 8 * BUFFER_BYTES;
/** From this size on, it pays to ask for holes and for what was only reserved, even where none are to be expected. */
const LARGE_BYTES = 1024 * 1024;

const buffer = Buffer.alloc(BUFFER_BYTES);

/**
 * Asks the kernel for the beginning of a file, without waiting for it.
 *
 * @returns where the file is to be read on the device; undefined to read it as a file
 */
export function prefetch(file: number, facts: FileFacts, places: FilePlaces | undefined): number | undefined {
  if (facts.size === 0 || facts.allocatedBytes === 0) return undefined;
  if (!isPlain(facts)) {
    prefetchFirstData(file);
    return undefined;
  }
  const place = places?.find(file, facts);
  if (place === undefined) linux.readahead(file, 0n, BigInt(facts.size));
  else places?.expect(place, facts.size);
  return place;
}

function prefetchFirstData(file: number): void {
  readOnlyWhatIsAsked(file);
  const start = linux.lseek(file, 0n, SEEK_DATA);
  const end = linux.lseek(file, start, SEEK_HOLE);
  if (start >= 0n && end > start)
    linux.readahead(file, start, BigInt(Math.min(Number(end - start), BUFFER_BYTES)));
}

/**
 * Copies the contents of a file into an empty one. Holes stay holes; zeros that are data stay data.
 *
 * @throws {ReadError | SystemCallError} the one when the source fails, the other when the destination does
 */
export function copyContents(source: number, destination: number, facts: FileFacts): void {
  const { size } = facts;
  if (size === 0) return;
  if (isPlain(facts)) {
    copyRange(source, destination, 0, size);
    return;
  }
  readOnlyWhatIsAsked(source);
  let end = 0;
  for (;;) {
    const start = seek(source, end, SEEK_DATA);
    if (start === undefined) break;
    end = seek(source, start, SEEK_HOLE) ?? size;
    copyRange(source, destination, start, Math.min(end, size));
  }
  if (end < size) check(linux.ftruncate(destination, BigInt(size)));
}

/** Does the same with a file that lies in one piece on the device. */
export function copyFromDevice(
  places: FilePlaces,
  place: number,
  destination: number,
  { size }: FileFacts,
): void {
  places.arrive(place);
  for (let done = 0; done < size; ) {
    const length = read(places.device, place + done, Math.min(BUFFER_BYTES, size - done));
    write(destination, done, length);
    done += length;
  }
}

/** Whether a file is copied from its beginning to its end, without asking for holes. */
function isPlain({ size, allocatedBytes }: FileFacts): boolean {
  return allocatedBytes >= size && size < LARGE_BYTES;
}

/** What the kernel reads ahead of blocks that are reserved but were never written counts as data from then on. */
function readOnlyWhatIsAsked(file: number): void {
  linux.posix_fadvise(file, 0n, 0n, POSIX_FADV_RANDOM);
}

/** The source could not be read. */
export class ReadError extends Error {}

/** Returns undefined where there is no more data, or hole. */
function seek(file: number, from: number, what: typeof SEEK_DATA | typeof SEEK_HOLE): number | undefined {
  const found = linux.lseek(file, BigInt(from), what);
  if (found >= 0n) return Number(found);
  const error = linux.lastError();
  if (error.code === 'ENXIO') return undefined;
  throw new ReadError(error.message, { cause: error });
}

function copyRange(source: number, destination: number, start: number, end: number): void {
  let asked = start + BUFFER_BYTES;
  for (let offset = start; offset < end; ) {
    for (; asked < Math.min(end, offset + AHEAD_BYTES); asked += BUFFER_BYTES) {
      linux.readahead(source, BigInt(asked), BigInt(Math.min(BUFFER_BYTES, end - asked)));
    }
    const length = read(source, offset, Math.min(BUFFER_BYTES, end - offset));
    write(destination, offset, length);
    offset += length;
  }
}

function read(file: number, offset: number, length: number): number {
  const count = linux.pread(file, buffer, BigInt(length), BigInt(offset));
  if (count < 0n) {
    const error = linux.lastError();
    throw new ReadError(error.message, { cause: error });
  }
  if (count === 0n) throw new ReadError('the file ends before its size');
  return Number(count);
}

function write(file: number, offset: number, length: number): void {
  for (let done = 0; done < length; ) {
    const rest = buffer.subarray(done, length);
    const count = checkSize(linux.pwrite(file, rest, BigInt(rest.length), BigInt(offset + done)));
    if (count === 0) throw new SystemCallError('EIO', 'nothing could be written');
    done += count;
  }
}
