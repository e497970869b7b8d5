import { attachDisk } from '@diskferry/server-adapter/switch';
import { DiskferryError } from '@diskferry/system/errors';
import { openSession } from '@diskferry/system/session';
import { type BootProof, bootProof } from '../boot-proof/boot-proof.ts';
import type { TransferPlan } from './transfer-plan.ts';
import type { TransferRequest } from './transfer.ts';

/**
 * Boots the result of a transfer in QEMU; what it writes while it starts goes to a redo log.
 *
 * @throws {DiskferryError} `NOT_BOOTABLE` when it holds no boot loader, or with the last lines of the serial console
 */
export async function proveStart(
  { destination, driver, signal }: TransferRequest,
  { boot, geometry }: TransferPlan,
): Promise<BootProof> {
  const { firmware } = boot;
  if (firmware === 'none') {
    throw new DiskferryError('NOT_BOOTABLE', 'the result holds no boot loader, so that it cannot be booted');
  }
  await using session = openSession('boot-proof');
  const options = {
    session,
    signal,
    firmware,
    sectorSize: geometry.sectorSize.logical === 4096 ? 4096 : 512,
  } as const;
  if (destination.kind === 'new-image') return bootProof(destination, options);
  const disk = await attachDisk(destination.disk, { session, driver, mode: 'copy-on-write', signal });
  try {
    return await bootProof({ path: disk.device, format: 'raw' }, options);
  } finally {
    await disk.detach();
  }
}
