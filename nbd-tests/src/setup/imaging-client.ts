import { basename, join } from 'node:path';
import type { TestContext } from 'node:test';
import type { DiskAddress } from '@diskferry/protocol/disk-address';
import { ownAddress } from '@diskferry/protocol/nbd/testing/own-address';
import { openControlConnection } from '@diskferry/server-adapter/control/control-connection';
import type { Command } from '@diskferry/system/run';
import { atEnd } from './at-end.ts';
import { type Background, startBackground } from './background.ts';
import { type Certificates, clientTlsOf } from './certificates.ts';
import { scratchFolder } from './scratch.ts';
import { accepts, until } from './wait.ts';

const MAIN = join(import.meta.dirname, '../../../client/src/main.ts');
/** Runs this executable instead of the source, such as dist/imaging-client. */
export const EXECUTABLE = process.env['DISKFERRY_CLIENT'];

export interface ImagingClientOptions {
  /** Block devices or plain files. */
  readonly disks: readonly string[];
  /** Without TLS every disk may be written by everybody, with TLS a grant is taken for each. */
  readonly writable?: boolean;
  /** Of plain files, in bytes. */
  readonly sectorSize?: number;
  /** TLS with these; plain text without. */
  readonly certificates?: Certificates | undefined;
  /** The address to listen on, one of the loopback network by default. */
  readonly host?: string;
  /** The port of the disks, one of this process alone by default. */
  readonly port?: number;
  /** An executable that is run instead of the source. */
  readonly executable?: string;
  /** What comes before the program, such as `ip netns exec NAME`. */
  readonly prefix?: readonly string[];
  /** For an address that this process cannot reach. */
  readonly isReady?: (port: number) => Promise<boolean>;
}

export interface ImagingClient extends Background {
  readonly host: string;
  /** Of the disks. */
  readonly port: number;
  /** Of the control channel. */
  readonly controlPort: number;
  /** The name of the export of a disk that is served, by its path; one that may be written, if asked so. */
  exportName(path: string): string;
  /** How other programs name it. */
  uri(path: string): string;
  address(path: string): DiskAddress;
}

/** Runs the imaging client until the test ends. */
export async function startImagingClient(
  test: TestContext,
  options: ImagingClientOptions,
): Promise<ImagingClient> {
  const own = ownAddress();
  const { host = own.host, port = own.port, certificates } = options;
  const { isReady = (port) => accepts(port, host) } = options;
  const controlPort = ownAddress().port;
  const background = startBackground(
    test,
    commandLine({ ...options, host, port, controlPort, stateFolder: scratchFolder(test) }),
  );
  await until('the imaging client listening', async () => {
    if (!background.isRunning()) throw new Error(`the client ended: ${background.output()}`);
    return (await isReady(port)) && (await isReady(controlPort));
  });
  const granted =
    options.writable === true && certificates !== undefined
      ? await takeGrants(test, options.disks, { host, port: controlPort }, certificates)
      : new Map<string, string>();
  const exportName = (path: string): string => granted.get(path) ?? basename(path);
  const scheme = certificates === undefined ? 'nbd' : 'nbds';
  const query = certificates === undefined ? '' : `?tls-certificates=${certificates.folder}`;
  return {
    ...background,
    host,
    port,
    controlPort,
    exportName,
    uri: (path) => `${scheme}://${host}:${port}/${encodeURIComponent(exportName(path))}${query}`,
    address: (path) => ({ transport: 'tcp', host, port, exportName: exportName(path) }),
  };
}

/** Asks for the right to write to disks until the test ends. The names of the exports that may be written. */
async function takeGrants(
  test: TestContext,
  disks: readonly string[],
  target: { readonly host: string; readonly port: number },
  certificates: Certificates,
): Promise<Map<string, string>> {
  const control = await openControlConnection(target, { tls: clientTlsOf(certificates) });
  atEnd(test, () => control.close());
  const granted = new Map<string, string>();
  for (const disk of disks) {
    const grant = { type: 'grant-write', disk: basename(disk), job: 'test', description: test.name } as const;
    granted.set(disk, (await control.ask(grant, 'granted')).exportName);
  }
  return granted;
}

/** The one place that knows the options of the client's command line. */
function commandLine(
  options: ImagingClientOptions & {
    readonly host: string;
    readonly port: number;
    readonly controlPort: number;
    readonly stateFolder: string;
  },
): Command {
  const { disks, writable, sectorSize, certificates, host, port, controlPort, prefix = [] } = options;
  const { stateFolder, executable = EXECUTABLE } = options;
  const words = [
    ...prefix,
    ...(executable === undefined ? [process.execPath, MAIN] : [executable]),
    ...disks.flatMap((disk) => ['--disk', disk]),
    `--listen=${host}`,
    `--port=${port}`,
    `--control-port=${controlPort}`,
    `--state=${stateFolder}`,
    ...(writable === true && certificates === undefined ? ['--writable'] : []),
    ...(sectorSize === undefined ? [] : ['--sector-size', String(sectorSize)]),
    ...(certificates === undefined ? ['--insecure'] : ['--tls-certificates', certificates.folder]),
  ];
  return words as [string, ...string[]];
}
