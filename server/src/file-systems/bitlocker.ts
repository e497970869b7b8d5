import type { Signature } from './blkid.ts';
import type { FileSystem } from './file-system.ts';
import { sectorsFileSystem } from './sectors.ts';

/** A volume that Windows encrypted: nothing in it can be told from noise, free space neither. */
export async function recogniseBitLocker(device: string, signature: Signature): Promise<FileSystem> {
  return sectorsFileSystem(
    device,
    signature,
    'this partition is encrypted with BitLocker: it is copied as sectors, its free space too, and cannot become ' +
      'smaller; "manage-bde -off" in Windows decrypts it before. A copy on another computer asks for the recovery key: ' +
      'have it at hand',
  );
}
