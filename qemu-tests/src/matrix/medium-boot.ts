import { readInventory, type Inventory } from '@diskferry/protocol/inventory';
import type { MachineDisk } from '@diskferry/server/qemu/machine-description';
import { type Command, run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import { COMMAND_LINE } from '../artefacts.ts';
import { withBootedClient } from '../booted-client.ts';
import { workFile } from '../work-files.ts';
import type { CellResult } from './cell-result.ts';
import { type MediumCell, mediumName } from './medium-cells.ts';
import { type AskInventory, bootFromNetwork } from './network-boot.ts';

const DISK_BYTES = 70 * 1024 * 1024;
const INVENTORY_MS = 120_000;

/** Starts a computer in one way, and looks at its disk and its card in the inventory. */
export async function bootMedium(
  cell: MediumCell,
  session: Session,
  signal?: AbortSignal,
): Promise<CellResult> {
  const { firmware, medium } = cell;
  const name = `matrix-${mediumName(cell)}`;
  const path = await workFile(session, `${name}.raw`);
  await run(['truncate', `--size=${DISK_BYTES}`, path]);
  const disks: readonly MachineDisk[] = [{ path, format: 'raw', bus: 'ahci' }];
  const inventory =
    medium === 'pxe' || medium === 'http'
      ? await bootFromNetwork({ name, firmware, medium, disks, session, signal }, askInventory)
      : await withBootedClient(
          { name, session, medium, firmware, nicModel: 'e1000e', disks, signal },
          async ({ connectionWords, host, diskPort }) =>
            askInventory([...connectionWords, `${host}:${diskPort}`]),
        );
  const complaint = complaintAbout(cell, inventory);
  return complaint === undefined ? { state: 'passed' } : { state: 'failed', reason: complaint };
}

const askInventory: AskInventory = async (words, before = []) => {
  const command = [
    ...before,
    process.execPath,
    COMMAND_LINE,
    'inventory',
    '--json',
    ...words,
  ] as unknown as Command;
  const { stdout } = await run(command, { timeoutMs: INVENTORY_MS });
  return readInventory(JSON.parse(stdout), 'inventory');
};

function complaintAbout({ firmware }: MediumCell, { computer, nics, disks }: Inventory): string | undefined {
  const started = firmware === 'bios' ? 'bios' : 'uefi';
  if (computer.firmware !== started) return `it was started by ${computer.firmware}`;
  if (!disks.some(({ size }) => size === DISK_BYTES)) return `no disk of ${DISK_BYTES} bytes is shown`;
  const [nic] = nics;
  if (nic?.driver === undefined || nic.addresses.length === 0)
    return 'its network card has no driver or no address';
  return undefined;
}
