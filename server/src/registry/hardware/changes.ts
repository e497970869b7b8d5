import type { HardwareDescription } from './description.ts';

const WORDS = {
  manufacturer: 'manufacturer',
  product: 'product',
  version: 'version',
  boardManufacturer: 'maker of the board',
  boardProduct: 'board',
  firmware: 'firmware',
  biosVendor: 'maker of the firmware',
} as const satisfies Partial<Record<keyof HardwareDescription, string>>;
const PARTS = {
  chipset: 'chipset',
  storage: 'disk controller',
  network: 'network card',
} as const satisfies Partial<Record<keyof HardwareDescription, string>>;

/** What is another than before, in sentences. */
export function hardwareChanges(before: HardwareDescription, after: HardwareDescription): string[] {
  const entries = <T extends string>(names: Readonly<Record<T, string>>): [T, string][] =>
    Object.entries(names) as [T, string][];
  return [
    ...entries(WORDS).flatMap(([key, name]) => changeOf(name, before[key], after[key])),
    ...changeOf('processor', processorOf(before), processorOf(after)),
    ...entries(PARTS).flatMap(([key, name]) => [
      ...before[key]
        .filter((part) => !after[key].includes(part))
        .map((part) => `The ${name} ${part} is gone.`),
      ...after[key]
        .filter((part) => !before[key].includes(part))
        .map((part) => `The ${name} ${part} is new.`),
    ]),
  ];
}

function changeOf(name: string, before = 'not known', after = 'not known'): string[] {
  return before === after ? [] : [`The ${name} was ${before} and is ${after} now.`];
}

function processorOf({ processor: { model, sockets, cores } }: HardwareDescription): string {
  return `${model} (${sockets} sockets, ${cores} cores)`;
}
