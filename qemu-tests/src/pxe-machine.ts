import { setTimeout as sleep } from 'node:timers/promises';
import type { NetNamespace } from '@diskferry/server/pxe/testing/net-namespace';
import { BRIDGE } from '@diskferry/server/pxe/testing/test-wire';
import { type Machine, startMachine } from '@diskferry/server/qemu/machine';
import type { MachineDescription } from '@diskferry/server/qemu/machine-description';
import { DiskferryError } from '@diskferry/system/errors';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import { LOG_FOLDER } from './artefacts.ts';

export interface NetworkMachine extends Pick<MachineDescription, 'name' | 'firmware' | 'disks'> {
  readonly session: Session;
  /** The network with the bridge. */
  readonly wire: NetNamespace;
  readonly mac: string;
  readonly uuid?: string;
  readonly memoryMb: number;
  /** Of UEFI firmware: over HTTP in place of TFTP. */
  readonly httpBoot?: boolean;
}

/** The port of the imaging client's control channel. */
const CONTROL_PORT = 7001;
const POLL_MS = 1_000;
/** Some 20 to 40 s on an idle machine. */
const STANDBY_MS = 300_000;

let taps = 0;

/** Starts a machine that tries the network first and then its disk, with its card plugged into a wire. */
export async function startNetworkMachine(options: NetworkMachine): Promise<Machine> {
  const { session, wire, mac, uuid, httpBoot = false, ...description } = options;
  const uefi = description.firmware !== 'bios';
  const tap = `df${process.pid}t${taps++}`;
  // QEMU's firmware for network cards is iPXE; without it OVMF starts from the network by its own means, as computers do.
  const rom = uefi ? ',romfile=' : '';
  const machine = await startMachine(
    {
      ...description,
      extraArguments: [
        '-S',
        '-netdev',
        `tap,id=net,ifname=${tap},script=no,downscript=no`,
        '-device',
        `virtio-net-pci,netdev=net,mac=${mac},bootindex=0${rom}`,
        ...(uuid === undefined ? [] : ['-uuid', uuid]),
        ...(uefi ? supportOf(httpBoot) : []),
      ],
    },
    { session, logFolder: LOG_FOLDER },
  );
  // Its network cable lies in this machine's own network, until it is plugged in elsewhere.
  await run(['ip', 'link', 'set', tap, 'netns', String(wire.pid)]);
  await wire.ip('link', 'set', tap, 'master', BRIDGE, 'up');
  await machine.qmp({ execute: 'cont' });
  return machine;
}

/** Nobody answers over IPv6 here, and OVMF waits long for it. */
function supportOf(httpBoot: boolean): string[] {
  const words = (version: 4 | 6, support: 'y' | 'n'): string[] => [
    '-fw_cfg',
    `name=opt/org.tianocore/IPv${version}PXESupport,string=${support}`,
  ];
  return [...words(4, httpBoot ? 'n' : 'y'), ...words(6, 'n')];
}

/** Waits until the imaging client of a machine can be reached from a place of its network. */
export async function standby(machine: Machine, from: NetNamespace, address: string): Promise<void> {
  const script = `require('node:net').connect(${CONTROL_PORT}, '${address}').on('connect', () => process.exit(0))
    .on('error', () => process.exit(1)); setTimeout(() => process.exit(1), 5000)`;
  for (const end = Date.now() + STANDBY_MS; Date.now() < end; await sleep(POLL_MS)) {
    const command = [...from.enter, process.execPath, '--eval', script] as const;
    const { exitCode } = await run(command, { okExitCodes: [0, 1] });
    if (exitCode === 0) return;
  }
  const lines = machine.serial.lastLines(10).join('\n');
  throw new DiskferryError(
    'MACHINE_SILENT',
    `${machine.name} did not reach standby. Its last lines:\n${lines}`,
  );
}
