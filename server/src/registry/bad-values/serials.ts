/** Texts that stand where a serial number should, compared without regard to case. To add one, name its source. */
const KNOWN: ReadonlySet<string> = new Set([
  // What firmware kits fill in: GLPI's list (Blacklist::getDefaults), FOG's list (lib/fog/hostmanager).
  'base board serial number',
  'board serial number',
  'chassis serial number',
  'default string',
  'default_string',
  'eval',
  'iatpass',
  'mb-1234567890',
  'oem',
  'oem_serial',
  'serial number',
  'sn-12345',
  'sn-1234567890',
  'sn-123456fvgv3i0b8o5n6n7k',
  'sys-1234567890',
  'sys-9876543210',
  'system serial number',
  'systemserialnumb',
  'tulip computers',
  'type2 - board serial number',
  '.pcie2',
  // Words for "nothing".
  '(null string)',
  'empty',
  'invalid',
  'na',
  'n/a',
  'none',
  'null',
  'unknow',
  'unknown',
  'not applicable',
  'not available',
  'not present',
  'not settable',
  'not specified',
]);

const PATTERNS: readonly RegExp[] = [
  /^to be filled by o\.?e\.?m\.?$/i,
  /^serial number x+$/i,
  // One character repeated: "0", "00000000", "xxxxxxxx", "NNNNNNN", "......".
  /^(.)\1*$/i,
  /^[01]+$/,
  // Counting: "123456789", "0123456789", "123456789000", "12345678901234567".
  /^0?12345(6(7(8(9\d*)?)?)?)?$/,
  // QEMU numbers the disks and CD drives of a machine, the same in each machine (hw/ide/core.c).
  /^QM\d{5}$/,
];

/** Whether the text is a serial number that tells computers, boards or disks apart. */
export function isIdentifyingSerial(text: string): boolean {
  const serial = text.trim().replaceAll(/\s+/g, ' ');
  if (serial === '' || KNOWN.has(serial.toLowerCase())) return false;
  return !PATTERNS.some((pattern) => pattern.test(serial));
}

/** "naa.5002538e40a1b2c3", "eui.0025385b71b01234", "0x5002538e40a1b2c3". */
const WWN = /^(?:naa\.|eui\.|0x)?([0-9a-f]{16,32})$/i;
/**
 * All ones, or no more than one digit: disks whose makers have set no name; Linux lists models of which it knows
 * (NVME_QUIRK_BOGUS_NID in drivers/nvme/host/pci.c).
 */
const NO_NAME = /^(0*[0-9a-f]?0*|f+)$/i;

/** Whether the text is a world wide name that tells disks apart. */
export function isIdentifyingWwn(text: string): boolean {
  const digits = WWN.exec(text.trim())?.[1];
  return digits !== undefined && !NO_NAME.test(digits);
}
