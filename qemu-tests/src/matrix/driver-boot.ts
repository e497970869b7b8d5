import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fetchInventory } from '@diskferry/server/control/fetch-inventory';
import { startMachine } from '@diskferry/server/qemu/machine';
import type { MachineDescription } from '@diskferry/server/qemu/machine-description';
import { KERNEL_WORDS } from '@diskferry/system/medium/kernel-words';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import { artefact, LOG_FOLDER } from '../artefacts.ts';
import { sitOn } from '../sit.ts';
import { EMULATION_WORD } from '../source-computers/emulation.ts';
import { workFile } from '../work-files.ts';
import type { CellResult } from './cell-result.ts';
import { openGuestShell, readGuestDrivers } from './guest-drivers.ts';
import type { HardwareModel, Socket } from './hardware-model.ts';
import { judge, type Sight } from './judge.ts';
import type { MatrixMedia } from './media.ts';
import type { ModuleAliases } from './module-lists.ts';
import { pciIdentities } from './pci-identity.ts';

const MIB = 1024 * 1024;
const SECTOR = 512;
/** Sizes that no controller's own units round: a MiB more for each disk, and some sectors. */
const SMALLEST_DISK_BYTES = 65 * MIB + 5 * SECTOR;
const MEMORY_MB = 512;
/**
 * A microvm has nothing but its interval timer to find the frequency of the processor's counter by. Under software emulation on a busy host
 * that fails now and then, and the kernel comes to a stop; told one, in kHz, it corrects it later.
 */
const MICROVM_KERNEL_WORD = 'tsc_early_khz=2000000';
/** Each card has a network of its own: 10.100.0.0, 10.101.0.0 … */
const FIRST_NETWORK = 100;
const CONTROL_PORT = 7001;
/** Some 15 to 30 s on an idle machine. */
const STANDBY_MS = 300_000;
/** Far more than an idle machine needs after that for all addresses and disks. */
const APPEARANCE_MS = 120_000;
const POLL_MS = 2_000;

export interface DriverBoot {
  /** Names the machine and its log. */
  readonly name: string;
  readonly session: Session;
  readonly models: readonly HardwareModel[];
  readonly media: MatrixMedia;
  /** Of the kernel package, where it is at hand. */
  readonly aliases: ModuleAliases | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A model with what it is plugged into. */
export interface PluggedModel extends Socket {
  readonly model: HardwareModel;
  /** The beginning of the addresses that its card gets, such as "10.100.0.". */
  readonly network: string;
}

/**
 * Starts our secondary OS in a machine with all these models, and looks at what it shows of them.
 *
 * @returns the result of each model by its name
 * @throws {DiskferryError} if the machine does not start, or does not come to standby
 */
export async function bootWithModels(boot: DriverBoot): Promise<ReadonlyMap<string, CellResult>> {
  const { session, signal, models } = boot;
  const plugged = await Promise.all(models.map(async (model, index) => plugIn(model, index, session)));
  const description = await describeMachine(boot, plugged);
  await using machine = await startMachine(description, { session, signal, logFolder: LOG_FOLDER });
  try {
    const hopeless = /Kernel panic - not syncing.*\n/;
    await machine.waitForSerial(/^waiting for the server$/m, { timeoutMs: STANDBY_MS, signal, hopeless });
    await openGuestShell(machine);
    const identities = isMicrovm(models) ? new Map<string, string>() : await pciIdentities(machine);
    const control = { host: '127.0.0.1', port: machine.hostPort(CONTROL_PORT) };
    const look = async (): Promise<Sight> => {
      const { nics, disks } = await fetchInventory(control, { signal });
      return { nics, disks, drivers: await readGuestDrivers(machine), identities };
    };
    return await watch(plugged, look, boot);
  } catch (error) {
    await sitOn(machine, [CONTROL_PORT]);
    throw error;
  }
}

/** Looks until nothing fails any more; what fails for longer has failed. */
async function watch(
  plugged: readonly PluggedModel[],
  look: () => Promise<Sight>,
  boot: DriverBoot,
): Promise<ReadonlyMap<string, CellResult>> {
  for (const end = Date.now() + APPEARANCE_MS; ; await sleep(POLL_MS)) {
    const sight = await look();
    const results = new Map(plugged.map((one) => [one.model.name, judge(one, sight, boot)]));
    const failed = [...results.values()].some(({ state }) => state === 'failed');
    if (!failed || Date.now() > end) return results;
  }
}

async function plugIn(model: HardwareModel, index: number, session: Session): Promise<PluggedModel> {
  const socket = {
    id: `n${index}`,
    mac: `52:54:00:aa:00:${index.toString(16).padStart(2, '0')}`,
    diskBytes: model.diskBytes ?? SMALLEST_DISK_BYTES + index * MIB,
    diskPath: '',
    network: `10.${FIRST_NETWORK + index}.0.`,
    model,
  };
  if (model.subject === 'network') return socket;
  const diskPath = await workFile(session, `${model.name}.raw`);
  await run(['truncate', `--size=${socket.diskBytes}`, diskPath]);
  return { ...socket, diskPath };
}

async function describeMachine(
  { name, models, session }: DriverBoot,
  plugged: readonly PluggedModel[],
): Promise<MachineDescription> {
  const machineWords = models.flatMap((model) =>
    model.machineWords === undefined ? [] : [model.machineWords],
  );
  return {
    name,
    firmware: 'bios',
    memoryMb: MEMORY_MB,
    kernel: artefact('pxe/vmlinuz'),
    initrd: models.some(({ extraDrivers }) => extraDrivers)
      ? await initrdWithExtraDrivers(session)
      : artefact('pxe/initrd'),
    append: [
      KERNEL_WORDS,
      'diskferry.insecure',
      'diskferry.shell',
      EMULATION_WORD,
      ...(isMicrovm(models) ? [MICROVM_KERNEL_WORD] : []),
    ].join(' '),
    nic: { model: 'virtio-net-pci', forwardedPorts: [CONTROL_PORT] },
    extraArguments: [
      // Of several words for the chipset the last one counts.
      ...(isMicrovm(models) ? ['-machine', 'microvm,pcie=on'] : []),
      ...new Map(machineWords.map((words) => [words.join(' '), words])).values().toArray().flat(),
      ...plugged.flatMap(wordsOf),
    ],
  };
}

function isMicrovm(models: readonly HardwareModel[]): boolean {
  return models.some(({ chipset }) => chipset === 'microvm');
}

function wordsOf(socket: PluggedModel): string[] {
  const { model, id, network } = socket;
  const netdev = ['-netdev', `user,id=${id},net=${network}0/24`];
  return [...(model.subject === 'network' ? netdev : []), ...model.plug(model.name, socket)];
}

/** Both archives behind each other, as a boot loader loads them. */
async function initrdWithExtraDrivers(session: Session): Promise<string> {
  const path = await workFile(session, 'extra-drivers.initrd');
  const parts = [artefact('pxe/initrd'), artefact('pxe/extra-drivers')];
  await writeFile(path, Buffer.concat(await Promise.all(parts.map(async (part) => readFile(part)))));
  return path;
}
