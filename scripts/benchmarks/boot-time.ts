import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startMachine } from '@diskferry/server/qemu/machine';
import type { MachineDescription } from '@diskferry/server/qemu/machine-description';
import { type CpioEntry, makeCpio } from '@diskferry/system/medium/cpio';
import { KERNEL_WORDS } from '@diskferry/system/medium/kernel-words';
import { findSettingsAreas, SETTINGS_AREA_BYTES } from '@diskferry/system/medium/settings-area';
import type { Session } from '@diskferry/system/session';
import { type Contender, compare } from './measure.ts';

const DIST = process.env['DISKFERRY_DIST'] ?? join(import.meta.dirname, '../../dist');
/** As a BIOS computer that we advise. */
const MEMORY_MB = 256;
const PROCESSORS = [1, 2];
const TIMEOUT_MS = 600_000;
/** Our time divided by that of the bare start. */
const MOST_TIMES = 1.6;
const EPOCH = 0;

const STANDBY = /^waiting for the server$/m;
const LINE = /^the line of a bare init$/m;
/** What the kernel starts in place of ours, in the same initrd: nothing is checked, mounted or loaded before. */
const BARE_INIT: CpioEntry = {
  path: 'init',
  mode: 0o100755,
  data: Buffer.from('#!/bin/sh\necho "the line of a bare init"\nexec sleep 100000\n'),
};

/** A way to load the same kernel and the same initrd, with our init and with one that only prints a line. */
interface Way {
  readonly name: string;
  readonly ours: Partial<MachineDescription>;
  readonly bare: Partial<MachineDescription>;
}

/** From the start of QEMU to standby, against the same kernel with an init that only prints a line. */
export async function benchBootTime(session: Session): Promise<string> {
  const rows: string[] = [];
  for (const cpus of PROCESSORS) {
    for (const { name, ours, bare } of await waysIn(session)) {
      const machine = { memoryMb: MEMORY_MB, cpus };
      const results = await compare([
        starting('ours', { ...machine, ...ours }, STANDBY, session),
        starting('bare', { ...machine, ...bare }, LINE, session),
      ]);
      const [own, other] = results;
      if (own === undefined || other === undefined) continue;
      const times = 1 / other.ratio;
      const reached = times <= MOST_TIMES ? 'reached' : 'MISSED';
      const seconds = [own, other].map(
        (result) =>
          `${result.seconds.toFixed(1)} (${result.fastest.toFixed(1)}–${result.slowest.toFixed(1)})`,
      );
      rows.push(
        `| ${name}, ${cpus} processor${cpus === 1 ? '' : 's'} | ${seconds.join(' | ')} | ${times.toFixed(2)} | ${MOST_TIMES}: ${reached} |`,
      );
    }
  }
  return [
    '### From power on to standby, against the same kernel and initrd with an init that only prints a line',
    '',
    '| | seconds to standby, median (fastest–slowest) | to the line | times as long | target |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

async function waysIn({ folder }: Session): Promise<readonly Way[]> {
  const [iso, initrd] = [join(DIST, 'diskferry.iso'), join(DIST, 'pxe/initrd')];
  const [bareIso, bareInitrd] = [join(folder, 'bare.iso'), join(folder, 'bare.initrd')];
  const archive = makeCpio([BARE_INIT], EPOCH);
  const medium = await readFile(iso);
  const [area] = findSettingsAreas(medium);
  if (area === undefined)
    throw new Error(`${iso} has no room for settings: build it again with npm run build`);
  // The boot loader loads it behind the initrd, so that its init takes the place of ours.
  medium.fill(0, area, area + SETTINGS_AREA_BYTES);
  archive.copy(medium, area);
  await writeFile(bareIso, medium);
  await writeFile(bareInitrd, Buffer.concat([await readFile(initrd), archive]));
  const direct = { kernel: join(DIST, 'pxe/vmlinuz'), append: KERNEL_WORDS };
  return [
    { name: 'CD', ours: { cd: iso }, bare: { cd: bareIso } },
    {
      name: 'kernel and initrd put into memory by QEMU',
      ours: { ...direct, initrd },
      bare: { ...direct, initrd: bareInitrd },
    },
  ];
}

let starts = 0;

function starting(
  name: string,
  description: Partial<MachineDescription>,
  line: RegExp,
  session: Session,
): Contender {
  return {
    name,
    run: async () => {
      const nic = { model: 'virtio-net-pci', forwardedPorts: [] } as const;
      const whole = { firmware: 'bios', nic, ...description, name: `boot-time-${starts++}` } as const;
      const begin = performance.now();
      await using machine = await startMachine(whole, { session });
      await machine.waitForSerial(line, { timeoutMs: TIMEOUT_MS });
      return (performance.now() - begin) / 1000;
    },
  };
}
