import './thread-pool.ts';
import { AccessSetupError } from './access/configured-access.ts';
import { HELP, parseCommandLine, type ServeOptions, UsageError } from './command-line.ts';
import { createDiskList, type DiskListOptions } from './disks/disk-list.ts';
import { AddressError } from '@diskferry/protocol/disk-address';
import { NamedDiskError } from './disks/named-disk.ts';
import { startImagingClient } from './imaging-client.ts';
import { inventoryReader } from './inventory/inventory.ts';
import { SettingsError } from './managed/managed-settings.ts';
import { ListenError } from './server/listen.ts';
import { VERSION } from './version.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

async function main(): Promise<void> {
  const command = parseCommandLine(process.argv.slice(2));
  switch (command.action) {
    case 'help':
      return print(HELP);
    case 'version':
      return print(`${VERSION}\n`);
    case 'json':
      return printInventory(command);
    case 'serve':
      return serve(command);
  }
}

function printInventory(options: DiskListOptions): void {
  print(`${JSON.stringify(inventoryReader(createDiskList(options))(), undefined, 2)}\n`);
}

async function serve(options: ServeOptions): Promise<void> {
  // A screen that is gone, such as a closed pipe, must not end the service.
  process.stdout.on('error', () => {});
  const client = await startImagingClient(options, print);
  // Once: a second signal ends the process at once, should a disk hang.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.once(signal, () => void client.close());
  }
}

function print(text: string): void {
  process.stdout.write(text);
}

function fail(error: unknown): void {
  const expected =
    error instanceof UsageError ||
    error instanceof NamedDiskError ||
    error instanceof AccessSetupError ||
    error instanceof SettingsError ||
    error instanceof AddressError ||
    error instanceof ListenError;
  console.error(`imaging-client: ${expected ? error.message : ((error as Error).stack ?? String(error))}`);
  if (error instanceof UsageError) console.error('Try "imaging-client --help".');
  process.exitCode = error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
}

// No top-level await: the executable holds a CommonJS bundle, as ws needs `require`.
main().catch(fail);
