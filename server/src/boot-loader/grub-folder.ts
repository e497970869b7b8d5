import type { FoundGrub } from './grub-bios.ts';
import { SAMPLE } from './grub-images.ts';
import type { BootSurvey, GrubFolder } from './survey.ts';

/** Whether a core in its place was made from a file. */
export function isSameCore(file: Buffer, { sample }: Pick<FoundGrub, 'sample'>): boolean {
  return sample !== undefined && file.subarray(SAMPLE.start, SAMPLE.start + SAMPLE.bytes).equals(sample);
}

/** The folder of the GRUB that starts: that whose core it is, or else the first that was found. */
export function folderOf({ grubFolders }: BootSurvey, grub: FoundGrub | undefined): GrubFolder | undefined {
  const own = grub && grubFolders.find(({ core }) => core !== undefined && isSameCore(core, grub));
  return own ?? grubFolders[0];
}
