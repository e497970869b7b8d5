import { run } from '@diskferry/system/run';

/** A device that this QEMU can add to a machine, in its own words. */
export interface QemuDevice {
  /** Such as "lsi53c895a". */
  readonly name: string;
  /** Such as "Storage". */
  readonly category: string;
  /** What it is plugged into, such as "PCI"; a few need nothing. */
  readonly bus?: string;
  /** What it is, where QEMU says so. */
  readonly description?: string;
}

const CATEGORY = /^(?<category>\S+) devices:$/;
const DEVICE =
  /^name "(?<name>[^"]+)"(?:, bus (?<bus>[^,]+))?(?:, alias "[^"]+")?(?:, desc "(?<description>.*)")?$/;

/** Reads what `qemu-system-x86_64 -device help` prints: categories, each with a line for a device. */
export function parseDevices(help: string): QemuDevice[] {
  let category = '';
  return help.split('\n').flatMap((line) => {
    category = CATEGORY.exec(line)?.groups?.['category'] ?? category;
    const { name, bus, description } = DEVICE.exec(line)?.groups ?? {};
    if (name === undefined) return [];
    return [
      {
        name,
        category,
        ...(bus === undefined ? {} : { bus }),
        ...(description === undefined ? {} : { description }),
      },
    ];
  });
}

/** Everything that the QEMU of this host has. */
export async function listDevices(): Promise<QemuDevice[]> {
  const { stdout } = await run(['qemu-system-x86_64', '-device', 'help']);
  return parseDevices(stdout);
}

/** Such as "7.2.22". */
export async function qemuVersion(): Promise<string> {
  const { stdout } = await run(['qemu-system-x86_64', '--version']);
  return /version (\S+)/.exec(stdout)?.[1] ?? 'unknown';
}
