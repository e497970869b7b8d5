import type { Machine } from '@diskferry/server/qemu/machine';

/** What the kernel says of a disk or a network card. */
export interface GuestDevice {
  /** Such as "sda" or "eth0". */
  readonly name: string;
  /** The modules of its drivers, from the device to the computer, such as uas, xhci_pci; not those in the kernel itself. */
  readonly modules: readonly string[];
  /** The nearest PCI device, such as "0000:00:09.0". */
  readonly pciAddress?: string;
}

export interface GuestDrivers {
  readonly devices: readonly GuestDevice[];
  /** Firmware files that drivers looked for in vain, with the device for which. */
  readonly missingFirmware: readonly { readonly device: string; readonly file: string }[];
}

/** What the status screen offers on the kernel word "diskferry.shell". */
const SHELL_KEY = 's';
const PROMPT = /\/ # $/m;
const ANSWER_MS = 120_000;
/** Lines of the answer begin with it. What is typed is shown too, and has to look different. */
const MARK = 'df:';
const SCRIPT = [
  `D=df`,
  // From each device up to the root of the tree. Some drivers have a module and no link to it; those in the kernel have none.
  `look() { n=\${1##*/}; p=$(readlink -f $1); c=; a=; while [ "$p" != /sys ]; do`,
  `m=$(readlink $p/driver/module || readlink $p/driver) && [ -e /sys/module/\${m##*/} ] && c="$c \${m##*/}"`,
  `case $p in */????:??:??.?) [ "$a" ] || a=\${p##*/};; esac; p=\${p%/*}; done; echo "$D:$n @$a$c"; }`,
  `all() { for i in /sys/block/* /sys/class/net/*; do [ ! -e $i/device ] || look $i; done`,
  `dmesg | sed -n "s/^.* \\([^ ]*\\): Direct firmware load for \\([^ ]*\\) failed.*/$D:!firmware \\1 \\2/p" | sort -u`,
  `echo "$D:!end"; }`,
];

/** Opens the shell of a machine at its status screen. */
export async function openGuestShell(machine: Machine): Promise<void> {
  const from = machine.serial.end;
  machine.serial.type(SHELL_KEY);
  let { end } = await machine.waitForSerial(PROMPT, { timeoutMs: ANSWER_MS, from });
  for (const line of SCRIPT) {
    machine.serial.type(`${line}\n`);
    end = (await machine.waitForSerial(/[#>] $/m, { timeoutMs: ANSWER_MS, from: end })).end;
  }
}

/** Asks which drivers hold disks and network cards, in an open shell. */
export async function readGuestDrivers(machine: Machine): Promise<GuestDrivers> {
  const from = machine.serial.end;
  machine.serial.type('all\n');
  // Until the end comes, only what came since counts.
  const { match } = await machine.waitForSerial(/[^]*^df:!end$/m, { timeoutMs: ANSWER_MS, from });
  return parseGuestDrivers(match[0]);
}

export function parseGuestDrivers(answer: string): GuestDrivers {
  const devices: GuestDevice[] = [];
  const missingFirmware: { device: string; file: string }[] = [];
  for (const line of answer.split('\n').filter((text) => text.startsWith(MARK))) {
    const [name = '', ...words] = line.slice(MARK.length).split(' ');
    if (name === '!firmware') missingFirmware.push({ device: words[0] ?? '', file: words[1] ?? '' });
    else if (!name.startsWith('!')) {
      const address = words[0]?.slice(1) ?? '';
      devices.push({
        name,
        modules: [...new Set(words.slice(1))],
        ...(address === '' ? {} : { pciAddress: address }),
      });
    }
  }
  return { devices, missingFirmware };
}
