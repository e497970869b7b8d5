import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { isatty, ReadStream, WriteStream } from 'node:tty';
import { debuglog } from 'node:util';

const debug = debuglog('diskferry:console');

/** A serial line that takes nothing must not fill the memory: a page has some 2,000 characters. */
const MAX_WAITING_BYTES = 64 * 1024;
/** How soon a terminal that was full is tried again, in ms: a serial line takes some 200 bytes in that time. */
const RETRY_MS = 20;
/** What cannot be told from a line printer, and a screen of which nothing is known. */
const PLAIN_TYPES = ['', 'dumb', 'unknown'];
const VIRTUAL_TERMINAL = /^\/dev\/tty\d+$/;
/** Serial lines, and consoles of virtual machines, which often are somebody's log. */
const SERIAL_LINE = /^\/dev\/(tty[A-Z]|hvc|xvc|sclp)/;

/** A screen with a keyboard, or a serial line with who knows what at its other end. */
export interface Terminal {
  readonly path: string;
  /** A page is drawn over the one before; a log only grows. */
  readonly style: 'page' | 'log';
  readonly size: { readonly columns: number; readonly rows: number };
  /** Never waits, never fails; what a terminal does not take is dropped in the end. */
  write(text: string): void;
  /** Has the terminal for itself until it returns, in the mode in which shells expect it. */
  readonly lend: (borrower: () => Promise<void>) => Promise<void>;
  close(): void;
}

/**
 * Opens a terminal and puts it into raw mode.
 *
 * @throws for a path that is no terminal, or one that does not work
 */
export function openTerminal(path: string, onInput: (bytes: Uint8Array) => void): Terminal {
  let ends = openEnds(path, onInput);
  const [columns, rows] = sizeOf(path);
  return {
    path,
    style: styleOf(path, process.env['TERM']),
    size: { columns, rows },
    write: (text) => ends.writer.write(text),
    lend: async (borrower) => {
      // When a shell ends, the kernel hangs up whoever has the terminal open: disassociate_ctty() in its tty_jobctrl.c.
      closeEnds(ends);
      try {
        await borrower();
      } finally {
        ends = openEnds(path, onInput);
      }
    },
    close: () => closeEnds(ends),
  };
}

interface Ends {
  readonly writer: ReturnType<typeof openWriter>;
  readonly reader: ReadStream;
}

function openEnds(path: string, onInput: (bytes: Uint8Array) => void): Ends {
  const writer = openWriter(path);
  try {
    return { writer, reader: openReader(path, onInput) };
  } catch (error) {
    writer.close();
    throw error;
  }
}

function closeEnds({ writer, reader }: Ends): void {
  reader.setRawMode(false);
  reader.destroy();
  writer.close();
}

/** @param type of a terminal that is neither a serial line nor one of the kernel's own, as TERM has it */
export function styleOf(path: string, type = ''): Terminal['style'] {
  if (VIRTUAL_TERMINAL.test(path)) return 'page';
  return SERIAL_LINE.test(path) || PLAIN_TYPES.includes(type) ? 'log' : 'page';
}

/** Node's own stream would wait for the terminal, and with it all disks. */
function openWriter(path: string) {
  const fd = openSync(path, constants.O_WRONLY | constants.O_NOCTTY | constants.O_NONBLOCK);
  let waiting = Buffer.alloc(0);
  let timer: NodeJS.Timeout | undefined;
  let isBroken = false;
  function drain(): void {
    timer = undefined;
    try {
      while (waiting.length > 0) waiting = waiting.subarray(writeSync(fd, waiting));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
        timer = setTimeout(drain, RETRY_MS).unref();
        return;
      }
      debug('%s: %s', path, error);
      isBroken = true;
      waiting = Buffer.alloc(0);
    }
  }
  return {
    write(text: string): void {
      if (isBroken || waiting.length > MAX_WAITING_BYTES) return;
      waiting = Buffer.concat([waiting, Buffer.from(text)]);
      if (timer === undefined) drain();
    },
    close(): void {
      clearTimeout(timer);
      closeSync(fd);
    },
  };
}

function openReader(path: string, onInput: (bytes: Uint8Array) => void): ReadStream {
  const fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  if (!isatty(fd)) {
    closeSync(fd);
    throw new Error(`${path} is no terminal`);
  }
  const stream = new ReadStream(fd);
  // A line that is hung up, or has no hardware, is no keyboard any more; its screen may still work.
  stream.on('error', (error) => debug('%s: %s', path, error.message));
  stream.on('data', onInput);
  stream.setRawMode(true);
  return stream;
}

/** A serial line has no size: both are 0. */
function sizeOf(path: string): [number, number] {
  const stream = new WriteStream(
    openSync(path, constants.O_WRONLY | constants.O_NOCTTY | constants.O_NONBLOCK),
  );
  try {
    // Absent where it cannot be told, whatever the types say.
    return [stream.columns ?? 0, stream.rows ?? 0];
  } finally {
    stream.destroy();
  }
}
