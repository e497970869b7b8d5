import { writeFile } from 'node:fs/promises';

const SECTOR = 512;
const DISK_BYTES = 1024 * 1024;
/** Where a BIOS loads the first sector. */
const LOAD_ADDRESS = 0x7c00;
/**
 * cld; xor ax,ax; mov ds,ax; mov dx,0x3f8; mov si,message; next: lodsb; test al,al; jz done; out dx,al; jmp next;
 * done: hlt; jmp done
 */
const CODE = 'fc31c08ed8baf803be____ac84c07403eeebf8f4ebfd';
const CODE_BYTES = CODE.length / 2;

/** Makes the smallest disk that starts under BIOS, for tests: it says a few words on the serial line and rests. */
export async function makeTalkingDisk(path: string, words: string): Promise<void> {
  const address = Buffer.alloc(2);
  address.writeUInt16LE(LOAD_ADDRESS + CODE_BYTES);
  const disk = Buffer.alloc(DISK_BYTES);
  disk.write(CODE.replace('____', address.toString('hex')), 0, 'hex');
  disk.write(`${words}\0`, CODE_BYTES, 'latin1');
  disk.writeUInt16BE(0x55aa, SECTOR - 2);
  await writeFile(path, disk);
}
