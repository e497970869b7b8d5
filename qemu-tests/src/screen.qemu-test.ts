import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { type Machine, startMachine } from '@diskferry/server/qemu/machine';
import type { MachineDescription } from '@diskferry/server/qemu/machine-description';
import { startServing } from '@diskferry/server/serve/testing/serving';
import { settingsArchive } from '@diskferry/system/medium/settings-archive';
import { run } from '@diskferry/system/run';
import { openSession, type Session } from '@diskferry/system/session';
import { createAuthority } from '@diskferry/trust/authority';
import { artefact, LOG_FOLDER } from './artefacts.ts';
import { EMULATION_WORD } from './source-computers/emulation.ts';
import { workFile } from './work-files.ts';

/** Far more than an idle machine needs for the start, or for a step after it. */
const TIMEOUT_MS = 240_000;
/** Where a guest finds this host, in QEMU's user network. */
const HOST = '10.0.2.2';
const EPOCH = 0;

/** A computer that starts our secondary OS as a network boot would, and lacks something. */
async function withMachine(
  description: Pick<MachineDescription, 'name'> & Partial<MachineDescription>,
  session: Session,
  work: (screen: Screen, machine: Machine) => Promise<void>,
): Promise<void> {
  const whole = {
    firmware: 'bios',
    memoryMb: 256,
    kernel: artefact('pxe/vmlinuz'),
    initrd: artefact('pxe/initrd'),
    append: `console=tty0 console=ttyS0,115200 ${EMULATION_WORD}`,
    ...description,
  } as const;
  await using machine = await startMachine(whole, { session, logFolder: LOG_FOLDER });
  await work(new Screen(machine), machine);
}

/** The serial line of a machine, read from beginning to end. */
class Screen {
  readonly #machine: Machine;
  #from = 0;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Waits for a sentence, wherever its lines are broken. */
  async says(sentence: string): Promise<void> {
    const words = sentence.split(' ').map((word) => RegExp.escape(word));
    await this.shows(new RegExp(words.join('\\s+')));
  }

  /** Waits for what comes after what was waited for before. */
  async shows(pattern: RegExp): Promise<void> {
    const bound = { timeoutMs: TIMEOUT_MS, from: this.#from };
    this.#from = (await this.#machine.waitForSerial(pattern, bound)).end;
  }

  /** Answers a question. */
  async answer(question: RegExp, text: string): Promise<void> {
    await this.shows(question);
    this.#machine.serial.type(`${text}\r`);
  }

  press(key: string): void {
    this.#machine.serial.type(key);
  }
}

test('a computer without network card and disk says so, and is powered off by a key', async () => {
  await using session = openSession('screen-nothing');
  await withMachine({ name: 'screen-nothing' }, session, async (screen, machine) => {
    await screen.shows(/^State: error: no network card; no disk$/m);
    await screen.says('No network card was found. No network controller is seen on PCI either.');
    await screen.says('No disk was found. Tried: ahci for');
    await screen.says('See whether the disks have power');
    await screen.shows(/^Keys: N network, D start from disk, R restart, P power off$/m);
    screen.press('n');
    await screen.shows(/There is no network card that could be set up\./);
    screen.press('p');
    await screen.answer(/power off: sure\? Type yes \[no\]: /, 'yes');
    await machine.exited;
  });
});

test('a computer that no DHCP server answers says so, and takes an address that somebody types', async () => {
  await using session = openSession('screen-no-dhcp');
  const disk = await workFile(session, 'screen.raw');
  await run(['truncate', '--size=64M', disk]);
  const network = [
    '-netdev',
    'hubport,id=nobody,hubid=0',
    '-device',
    'virtio-net-pci,netdev=nobody,romfile=',
  ];
  const disks = [{ path: disk, format: 'raw', bus: 'virtio' }] as const;
  const description = { name: 'screen-no-dhcp', disks, extraArguments: network };
  await withMachine(description, session, async (screen) => {
    await screen.shows(/^State: error: no DHCP answer$/m);
    await screen.shows(/^! No DHCP server has answered at eth0 for \d+ s; still asking\./m);
    screen.press('n');
    await screen.answer(/eth0: dhcp or static \[dhcp\]: /, 'static');
    await screen.answer(/Address\/prefix, .*: /, '192.168.77.0/24');
    await screen.answer(
      /No: 192\.168\.77\.0\/24 is the network itself[^]*Address\/prefix, .*: /,
      '192.168.77.5/24',
    );
    await screen.answer(/Gateway, .*: /, '192.168.77.1');
    await screen.answer(/Name servers, .*: /, '');
    await screen.answer(/VLAN number, .*: /, '5');
    await screen.shows(/^ {2}eth0 .* link up\s+192\.168\.77\.5\s.*vlan 5$/m);
    await screen.shows(/^ {2}diskferry capture \/dev\/vda@192\.168\.77\.5 /m);
    await screen.shows(/^waiting for the server$/m);
  });
});

test('a computer whose server has another authority, or is gone, says so and tries again', async (context) => {
  const serving = await startServing(context, { hosts: [HOST] });
  const other = await createAuthority('another authority');
  await using session = openSession('screen-wrong-server');
  const initrd = await workFile(session, 'screen.initrd');
  const settings = {
    server: `${HOST}:${serving.door.port}`,
    authority: other.certificate,
    enrolment: serving.enrol('qemu'),
  };
  const archive = settingsArchive(settings, EPOCH);
  await writeFile(initrd, Buffer.concat([await readFile(artefact('pxe/initrd')), archive]));
  const nic = { model: 'virtio-net-pci', forwardedPorts: [] } as const;
  await withMachine({ name: 'screen-wrong-server', initrd, nic }, session, async (screen) => {
    await screen.shows(/^State: error: .*no connection with the server$/m);
    await screen.says('shows a certificate that the authority of this medium has not issued');
    await screen.shows(/next\s+try\s+in\s+\d+\s+s|trying\s+again\s+now/);
    await serving.stop();
    await screen.says('takes no connection: start "diskferry serve" there');
  });
});

test('a computer with UEFI that was started from the CD leaves for its disk', async () => {
  await using session = openSession('screen-leave');
  const disk = await workFile(session, 'leave.raw');
  await run(['truncate', '--size=64M', disk]);
  const description = {
    name: 'screen-leave',
    firmware: 'uefi',
    // UEFI needs more than a BIOS: docs/media.md.
    memoryMb: 384,
    kernel: undefined,
    initrd: undefined,
    append: undefined,
    cd: artefact('diskferry.iso'),
    disks: [{ path: disk, format: 'raw', bus: 'ahci' }],
    // Ends where it would start again.
    extraArguments: ['-no-reboot'],
  } as const;
  await withMachine(description, session, async (screen, machine) => {
    await screen.shows(/^Keys: N network, D start from disk/m);
    screen.press('d');
    await screen.answer(/start from disk: sure\? Type yes \[no\]: /, 'yes');
    await screen.says('The firmware starts "UEFI QEMU HARDDISK');
    await machine.exited;
  });
});
