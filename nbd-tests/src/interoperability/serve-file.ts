import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Certificates, makeCertificates } from '../setup/certificates.ts';
import { type ImagingClient, startImagingClient } from '../setup/imaging-client.ts';
import { MIB, randomFile, scratchFolder } from '../setup/scratch.ts';

/** Each program is tried over both. */
export const SECURITIES = ['plain text', 'TLS'] as const;
export type Security = (typeof SECURITIES)[number];

const SIZE = 24 * MIB;

export interface ServedFile {
  readonly client: ImagingClient;
  /** The file behind the export. */
  readonly file: string;
  readonly folder: string;
  /** Bytes. */
  readonly size: number;
  readonly uri: string;
  readonly certificates: Certificates | undefined;
}

export interface ServeFileOptions {
  readonly security: Security;
  readonly writable?: boolean;
  /** Bytes. */
  readonly sectorSize?: number;
}

/** A file of random bytes, served by the imaging client as the export "disk.raw". */
export async function serveFile(test: TestContext, options: ServeFileOptions): Promise<ServedFile> {
  const folder = scratchFolder(test);
  const file = randomFile(join(folder, 'disk.raw'), SIZE);
  const { security, ...clientOptions } = options;
  const certificates = security === 'TLS' ? await makeCertificates(join(folder, 'certificates')) : undefined;
  const client = await startImagingClient(test, { disks: [file], certificates, ...clientOptions });
  return { client, file, folder, size: SIZE, uri: client.uri(file), certificates };
}
