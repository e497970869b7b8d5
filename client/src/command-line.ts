import { isIP } from 'node:net';
import { parseArgs } from 'node:util';
import { CLIENT_PORT, controlPortOf } from '@diskferry/protocol/disk-address';
import type { ManagedOptions } from './managed/managed-settings.ts';

const MAX_PORT = 65_535;
const DEFAULT_SECTOR_SIZE = 512;
/** In memory: the key of a computer ends with its secondary OS. */
const STATE_FOLDER = '/run/diskferry-client';
/** What disks and the kernel's loop devices use. */
const SECTOR_SIZES = [512, 1024, 2048, 4096] as const;

export const HELP = `Usage: imaging-client [OPTION]...
Serves the disks of this computer to a diskferry server: as NBD exports, and as
an inventory over a control channel.

  --disk PATH         serve this block device or plain file instead of the
                      computer's disks; may be given several times
  --sector-size N     sector size of plain files: ${SECTOR_SIZES.join(', ')}
                      (default ${DEFAULT_SECTOR_SIZE})
  --state FOLDER      where the own key and those of paired servers are kept
                      (default ${STATE_FOLDER})
  --tls-certificates FOLDER
                      show server-cert.pem with server-key.pem, let in who has
                      one of ca-cert.pem, as with nbdkit and QEMU
  --server HOST[:PORT]
                      dial this server and listen nowhere, with these two:
  --ca FILE           certificate of the authority that vouches for the server
  --enrolment FILE    the secret that admits this computer there
  --insecure          plain text for everybody who can connect: no pairing, no
                      encryption; only for a network that you trust
  --writable          let everybody write to all disks; only with --insecure
                      (default: who has paired asks for a grant for one disk)
  --listen ADDRESS    listen on this address only (default: all)
  --port N            port of the disks (default ${CLIENT_PORT})
  --control-port N    port of the control channel (default: the next one)
  --console DEVICE    show the status on this terminal and take keys from it;
                      may be given several times (default: print the status)
  --allow-shell       one of the keys opens a shell, as the user of the client
  --settled FILE      show nothing before this file is there, as then disks and
                      addresses are known
  --system FOLDER     where the secondary OS lies, whose scripts the keys use
                      (default /)
  --json              print the inventory as JSON and exit
  --version           print the version and exit
  --help              print this and exit
`;

/** The command line is wrong; `code` is `USAGE`. */
export class UsageError extends Error {
  readonly code = 'USAGE';
}

export interface ServeOptions {
  /** Empty: all disks of the computer. */
  readonly paths: readonly string[];
  /** Of plain files, in bytes. */
  readonly sectorSize: number;
  readonly stateFolder: string;
  /** Holds ca-cert.pem, server-cert.pem and server-key.pem. */
  readonly certificatesFolder: string | undefined;
  /** The server that is dialled; without it, servers come to the ports. */
  readonly managed: ManagedOptions | undefined;
  /** Plain text for everybody. */
  readonly insecure: boolean;
  /** All disks for everybody, without grants; only with `insecure`. */
  readonly writable: boolean;
  readonly host: string | undefined;
  readonly port: number;
  readonly controlPort: number;
  /** Terminals with a keyboard; without one the status is only printed. */
  readonly consoles: readonly string[];
  /** Whoever stands in front of the computer may open a shell. */
  readonly allowShell: boolean;
  /** Shows nothing before this file is there; at once without it. */
  readonly settledFile: string | undefined;
  /** The root of the secondary OS. */
  readonly systemFolder: string;
}

export type Command =
  | { readonly action: 'help' | 'version' }
  | ({ readonly action: 'serve' | 'json' } & ServeOptions);

/**
 * Understands the command line.
 *
 * @throws {UsageError}
 */
export function parseCommandLine(args: readonly string[]): Command {
  const flags = parseFlags(args);
  if (flags.help === true) return { action: 'help' };
  if (flags.version === true) return { action: 'version' };
  const paths = flags.disk ?? [];
  if (flags['sector-size'] !== undefined && paths.length === 0) {
    throw new UsageError('--sector-size is for plain files: give one with --disk');
  }
  const { insecure = false, writable = false } = flags;
  if (writable && !insecure) {
    throw new UsageError('--writable lets everybody write to all disks, so it is only taken with --insecure');
  }
  const certificatesFolder = flags['tls-certificates'];
  if (certificatesFolder !== undefined && insecure) {
    throw new UsageError('--tls-certificates and --insecure exclude each other');
  }
  const managed = parseManaged(flags);
  const port = parsePort('--port', flags.port) ?? CLIENT_PORT;
  return {
    action: flags.json === true ? 'json' : 'serve',
    paths,
    sectorSize: parseSectorSize(flags['sector-size']),
    stateFolder: flags.state ?? STATE_FOLDER,
    certificatesFolder,
    managed,
    insecure,
    writable,
    host: parseHost(flags.listen),
    port,
    controlPort: parsePort('--control-port', flags['control-port']) ?? controlPortOf(port),
    consoles: flags.console ?? [],
    allowShell: flags['allow-shell'] ?? false,
    settledFile: flags.settled,
    systemFolder: flags.system ?? '/',
  };
}

function parseFlags(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        disk: { type: 'string', multiple: true },
        'sector-size': { type: 'string' },
        state: { type: 'string' },
        'tls-certificates': { type: 'string' },
        server: { type: 'string' },
        ca: { type: 'string' },
        enrolment: { type: 'string' },
        insecure: { type: 'boolean' },
        writable: { type: 'boolean' },
        listen: { type: 'string' },
        port: { type: 'string' },
        'control-port': { type: 'string' },
        console: { type: 'string', multiple: true },
        'allow-shell': { type: 'boolean' },
        settled: { type: 'string' },
        system: { type: 'string' },
        json: { type: 'boolean' },
        version: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    // Node's sentence names the option; its second sentence is about parseArgs itself.
    const [sentence = ''] = (error as Error).message.split('. ');
    throw new UsageError(sentence.charAt(0).toLowerCase() + sentence.slice(1));
  }
}

/** Options that speak of ports or of who may come to them. */
const STANDALONE_OPTIONS = ['insecure', 'tls-certificates', 'listen', 'port', 'control-port'] as const;

function parseManaged(flags: ReturnType<typeof parseFlags>): ManagedOptions | undefined {
  const { server, ca, enrolment } = flags;
  if (server === undefined && ca === undefined && enrolment === undefined) return undefined;
  if (server === undefined || ca === undefined || enrolment === undefined) {
    throw new UsageError('--server, --ca and --enrolment belong together');
  }
  const standalone = STANDALONE_OPTIONS.find((name) => flags[name] !== undefined);
  if (standalone !== undefined) {
    throw new UsageError(`--${standalone} has no meaning with --server, where the client listens nowhere`);
  }
  return { server, ca, enrolment };
}

function parseSectorSize(text: string | undefined): number {
  if (text === undefined) return DEFAULT_SECTOR_SIZE;
  const size = SECTOR_SIZES.find((size) => String(size) === text);
  if (size === undefined) {
    throw new UsageError(`--sector-size ${text} is not one of ${SECTOR_SIZES.join(', ')}`);
  }
  return size;
}

/** 0 lets the kernel choose a port. */
function parsePort(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (port < 0 || port > MAX_PORT)
    throw new UsageError(`${option} ${text} is not a number from 0 to ${MAX_PORT}`);
  return port;
}

function parseHost(text: string | undefined): string | undefined {
  if (text !== undefined && isIP(text.replace(/%.*$/, '')) === 0) {
    throw new UsageError(`--listen ${text} is not an IP address`);
  }
  return text;
}
