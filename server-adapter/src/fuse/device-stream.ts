import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';
import { DiskferryError } from '@diskferry/system/errors';

/** The part of Node's handle of a pipe that is used here. */
interface PipeHandle {
  /** Takes a descriptor over; returns 0 or a negative errno. */
  open(fd: number): number;
}

interface PipeBinding {
  readonly Pipe: new (type: number) => PipeHandle;
  readonly constants: { readonly SOCKET: number };
}

/**
 * Reads a device that can be polled as the event loop reads pipes: one poll and one read for a request. The documented
 * ways, `fs.read` and a read stream, keep a thread of the pool waiting in a blocking read, and waking it and the loop
 * doubles the processor time of a small request.
 *
 * @param fd a non-blocking descriptor, which the stream takes over and closes
 * @returns a stream that reads already; it ends with an error when the device does
 */
export function streamDevice(fd: number, onread: OnReadOpts): Socket {
  const { Pipe, constants } = pipeBinding();
  const handle = new Pipe(constants.SOCKET);
  const failure = handle.open(fd);
  if (failure !== 0) {
    throw new DiskferryError('FUSE_FAILED', `the FUSE device cannot be polled (error ${-failure})`);
  }
  // The types know of bound sockets only, but net itself makes its sockets from any handle in this option.
  const stream = new Socket({ handle, onread } as unknown as SocketConstructorOpts);
  stream.read(0);
  return stream;
}

function pipeBinding(): PipeBinding {
  return (process as unknown as { binding(name: 'pipe_wrap'): PipeBinding }).binding('pipe_wrap');
}
