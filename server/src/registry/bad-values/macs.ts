/**
 * Addresses of network cards that many computers have, or that travel from one computer to the next. Lower case. To add
 * one, name its source.
 */
const KNOWN: ReadonlySet<string> = new Set([
  // Intel's default of a board whose maker has set none (Intel, "AMT MAC pass-through": "Default MAC").
  '88:88:88:88:87:88',
  // DM9601 adapters sold as Realtek's; all have it.
  '00:e0:4c:53:44:58',
  // QEMU counts from here where nobody gives an address (net/net.c), so that each host's first machine has it.
  '52:54:00:12:34:56',
  '52:54:00:12:34:57',
  '52:54:00:12:34:58',
  '52:54:00:12:34:59',
  // Modems, VPN and virtual cards of Windows: GLPI's list (Blacklist::getDefaults).
  '00:0b:ca:fe:00:00',
  '00:a0:c6:00:00:00',
  '20:41:53:59:4e:ff',
  '24:b6:20:52:41:53',
  // Of drivers' and boards' examples.
  '00:11:22:33:44:55',
  '00:01:02:03:04:05',
  '12:34:56:78:9a:bc',
]);

const PATTERNS: readonly RegExp[] = [
  // All zeros, all ones, one byte repeated.
  /^([0-9a-f]{2})(:\1){5}$/,
  // VMware's cards of the host for its virtual networks (GLPI's list).
  /^00:50:56:c0:/,
];

/**
 * Locally administered addresses that nevertheless belong to one virtual machine, because its host gives each another:
 * QEMU and libvirt, OpenStack (base_mac of Neutron), oVirt.
 */
const VIRTUAL_MACHINES: readonly string[] = ['52:54:00:', 'fa:16:3e:', '56:6f:'];

const SHAPE = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/;
/** Bits of the first byte (IEEE 802). */
const GROUP = 1;
const LOCALLY_ADMINISTERED = 2;

/** Whether the address, with colons, tells cards apart. Says nothing of where the card is. */
export function isIdentifyingMac(text: string): boolean {
  const mac = text.trim().toLowerCase();
  if (!SHAPE.test(mac) || KNOWN.has(mac) || PATTERNS.some((pattern) => pattern.test(mac))) return false;
  const first = Number.parseInt(mac.slice(0, 2), 16);
  if ((first & GROUP) !== 0) return false;
  return (first & LOCALLY_ADMINISTERED) === 0 || VIRTUAL_MACHINES.some((prefix) => mac.startsWith(prefix));
}
