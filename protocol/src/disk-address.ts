/** NBD's own port (IANA). */
const NBD_PORT = 10809;
/** The port on which an imaging client serves its disks. */
export const CLIENT_PORT = 7000;
/** The port of an imaging client's control channel. */
export const CONTROL_PORT = 7001;

/** Where an NBD export can be reached. */
export type DiskAddress =
  | { readonly transport: 'tcp'; readonly host: string; readonly port: number; readonly exportName: string }
  | { readonly transport: 'unix'; readonly socketPath: string; readonly exportName: string };

/** A machine that runs the imaging client, without naming one of its disks. */
export interface HostAddress {
  readonly host: string;
  readonly port: number;
}

/** An address that cannot be understood; `code` is `ADDRESS_INVALID`. */
export class AddressError extends Error {
  readonly code = 'ADDRESS_INVALID';

  constructor(text: string, why: string) {
    super(
      `"${text}" is not a disk address: ${why}; write /dev/sda@HOST, /dev/sda@HOST:PORT, ` +
        'nbd://HOST:PORT/EXPORT or nbd+unix:///EXPORT?socket=PATH',
    );
    this.name = 'AddressError';
  }
}

export { NBD_PORT };
