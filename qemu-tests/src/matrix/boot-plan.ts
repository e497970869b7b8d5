import type { HardwareModel } from './hardware-model.ts';

/** A PCI Express machine has 32 places, of which the chipset, the screen and the card to the server take some. */
const MOST_MODELS = 27;

/** Puts models together that can be in one machine, so that a handful of starts tests them all. */
export function planBoots(models: readonly HardwareModel[]): HardwareModel[][] {
  const boots: HardwareModel[][] = [];
  for (const model of models) {
    const boot = boots.find((others) => hasRoomFor(model, others));
    if (boot === undefined) boots.push([model]);
    else boot.push(model);
  }
  return boots;
}

function hasRoomFor(model: HardwareModel, others: readonly HardwareModel[]): boolean {
  return (
    others.length < MOST_MODELS &&
    others.every(
      ({ chipset, subject, extraDrivers, company, group }) =>
        chipset === model.chipset &&
        // Both kinds work in one machine; apart, a failure tells more.
        (subject === model.subject || chipset === 'microvm') &&
        extraDrivers === model.extraDrivers &&
        company === model.company &&
        (group === undefined || group !== model.group),
    )
  );
}
