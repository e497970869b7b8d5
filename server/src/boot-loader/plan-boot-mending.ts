import { isZero } from '../file-systems/block-device.ts';
import type { BootFacts, BootMending, BootPartition, MendingPart } from './boot-mending.ts';
import { planEfi } from './efi.ts';
import { planGrub } from './grub-bios.ts';
import { SECTOR_BYTES } from './grub-images.ts';
import { deviceNameNotes, planRewording } from './identifiers.ts';
import { isOfWindows, planHiddenSectors, planOtherBootCode, startedPartition } from './other-boot-code.ts';
import { type BootSurvey, surveyBoot } from './survey.ts';
import { planWindows } from './windows.ts';

/** In front of the disk signature and the partitions. */
const BOOT_CODE_BYTES = 440;

/**
 * Finds out how the source starts and what makes the destination start too. Looks only: nothing is written, but for journals
 * that are replayed in the source's copy-on-write layer.
 */
export async function planBootMending(facts: BootFacts): Promise<BootMending> {
  const survey = await surveyBoot(facts.source, facts.partitions, facts.session);
  const efi = planEfi(survey, facts.partitions);
  const bios = await planBios(facts, survey);
  const parts: MendingPart[] = [];
  if (bios !== undefined) {
    const obstacle = biosObstacle(facts);
    if (obstacle === undefined) parts.push(bios);
    else if (efi === undefined) parts.push({ loader: bios.loader ?? '', obstacles: [obstacle] });
    else parts.push({ notes: [`${obstacle}; it starts under UEFI only`] });
  }
  if (efi !== undefined) parts.push(efi);
  if (parts.length > 0) parts.push(planRewording(facts, survey), { notes: deviceNameNotes(survey) });
  const loaders = parts.flatMap(({ loader }) => loader ?? []);
  return {
    loader: loaders.length === 0 ? 'none' : loaders.join('; '),
    firmware:
      bios !== undefined && biosObstacle(facts) === undefined ? 'bios' : efi === undefined ? 'none' : 'uefi',
    obstacles: parts.flatMap(({ obstacles = [] }) => obstacles),
    notes: parts.flatMap(({ notes = [] }) => notes),
    steps: parts.flatMap(({ steps = [] }) => steps),
    changedFiles: parts.flatMap(({ changedFiles = [] }) => changedFiles),
  };
}

/** What starts under a BIOS; undefined when nothing does. */
async function planBios(facts: BootFacts, survey: BootSurvey): Promise<MendingPart | undefined> {
  const { source, table } = facts;
  if (table.kind === 'none' || source.sectorSize.logical !== SECTOR_BYTES) return undefined;
  const grub = await planGrub(facts, survey, 'disk');
  if (grub !== undefined) return grub;
  const bootCode = (await source.read(0, SECTOR_BYTES)).subarray(0, BOOT_CODE_BYTES);
  if (isZero(bootCode)) return undefined;
  const inMbr = planOtherBootCode(facts, { bytes: bootCode });
  if (inMbr !== undefined) return inMbr;
  // Boot code of Windows, and every other that is not of a boot loader itself, starts the active partition.
  const record = await startedPartition(facts);
  if (record === undefined) return undefined;
  const chained = await planGrub(facts, survey, record.partition);
  if (chained !== undefined) return chained;
  const found = isOfWindows(record)
    ? await planWindows(facts)
    : (planOtherBootCode(facts, record) ?? planUnknown(facts, record.partition));
  const { steps = [] } = planHiddenSectors(record);
  return { ...found, steps: [...(found.steps ?? []), ...steps] };
}

function planUnknown({ table, destinationKind }: BootFacts, { number }: BootPartition): MendingPart {
  const loader = `boot code of partition ${number} (BIOS)`;
  if (table.kind === destinationKind) return { loader };
  return { loader, notes: [`the boot code of partition ${number} may not start from a GPT`] };
}

function biosObstacle({ destination: { sectorBytes } }: BootFacts): string | undefined {
  if (sectorBytes === SECTOR_BYTES) return undefined;
  return `a BIOS cannot start from a disk with sectors of ${sectorBytes} bytes, only from one with ${SECTOR_BYTES}`;
}
