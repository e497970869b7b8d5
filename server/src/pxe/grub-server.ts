import type { MachineFacts, Ruling } from './boot-decision.ts';
import type { BootDesk } from './boot-desk.ts';
import { readServedFile, type ServedFile } from './boot-files.ts';
import {
  bootConfiguration,
  type GrubServer,
  localConfiguration,
  refusalConfiguration,
} from './grub-scripts.ts';
import { readMachineFacts } from './machine-facts.ts';
import { startTftpServer, type TftpServer } from './tftp/tftp-server.ts';
import type { TftpFile } from './tftp/tftp-transfer.ts';
import { RefusedError } from '../refused-error.ts';
import { messageOf } from '@diskferry/system/errors';
import type { WireInterface } from './wire-interface.ts';

export interface GrubServerOptions {
  readonly wire: WireInterface;
  readonly port: number;
  readonly desk: BootDesk;
  /** Further words of the kernel command line. */
  readonly kernelWords: string;
  readonly onNote: (text: string) => void;
}

/**
 * Answers GRUB by TFTP: a configuration for each machine that asks, kernel and initrd. Debian's signed GRUB knows nothing else:
 * no HTTP, and no way to load more of itself under Secure Boot.
 *
 *     machine/MAC/UUID       what the machine shall do
 *     boot/PASS/vmlinuz, boot/PASS/initrd
 *
 * @throws {RefusedError} `PORT_IN_USE`
 */
export async function startGrubServer(options: GrubServerOptions): Promise<TftpServer> {
  const { wire, port, desk, onNote } = options;
  try {
    return await startTftpServer({
      address: wire.address,
      port,
      serves: wire.contains,
      open: async (name, address) => find(partsOf(name), address, options),
      onSent: async (name, address) => {
        const [place, pass = '', file] = partsOf(name);
        if (place === 'boot' && file === 'initrd') await desk.loaded(pass, address);
      },
      onNote,
    });
  } catch (cause) {
    throw new RefusedError(
      'PORT_IN_USE',
      `UDP port ${port} of ${wire.address} cannot be used: ${messageOf(cause)}; choose another one by --http-port`,
      { cause },
    );
  }
}

function partsOf(name: string): string[] {
  // GRUB's paths begin with a slash.
  return name.replace(/^\//, '').split('/');
}

async function find(
  [place = '', first = '', second = '', ...more]: readonly string[],
  address: string,
  options: GrubServerOptions,
): Promise<TftpFile | undefined> {
  if (more.length > 0) return undefined;
  switch (place) {
    case 'machine':
      return configurationFor({ mac: first, uuid: second, platform: 'efi' }, address, options);
    case 'boot': {
      const files = options.desk.filesFor(first, address);
      if (second === 'vmlinuz') return toSend(files?.kernel);
      return second === 'initrd' ? toSend(files?.initrd) : undefined;
    }
    default:
      return undefined;
  }
}

async function configurationFor(
  question: Readonly<Record<string, string>>,
  address: string,
  options: GrubServerOptions,
): Promise<TftpFile | undefined> {
  const machine = readMachineFacts(new URLSearchParams(question), address);
  if (machine === undefined) return undefined;
  const bytes = Buffer.from(configuration(await options.desk.ask(machine), machine, options));
  return {
    bytes: bytes.length,
    async *read() {
      yield bytes;
    },
  };
}

function configuration(
  { decision }: Ruling,
  machine: MachineFacts,
  { desk, kernelWords, wire, port }: GrubServerOptions,
): string {
  const server: GrubServer = { address: wire.address, port };
  switch (decision) {
    case 'boot':
      return bootConfiguration({ server, pass: desk.admit(machine), kernelWords });
    case 'local':
      return localConfiguration();
    case 'refuse':
    // The DHCP side does not answer it, but who has the address of this server can ask.
    case 'ignore':
      return refusalConfiguration(machine.mac);
  }
}

function toSend(file: ServedFile | undefined): TftpFile | undefined {
  return file === undefined ? undefined : { bytes: file.bytes, read: () => readServedFile(file) };
}
