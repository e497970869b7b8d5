/**
 * UUIDs that makers ship in many computers. Lower case; a UUID counts as bad in both byte orders. To add one, name who saw
 * it in more than one computer.
 */
const KNOWN: readonly string[] = [
  // American Megatrends' default, the most common of all: systemd's id128_get_product(), GLPI's and CapaSystems' lists.
  '03000200-0400-0500-0006-000700080009',
  // Insyde's default: FOG's list (lib/fog/hostmanager).
  '12345678-1234-5678-90ab-cddeefaabbcc',
  // GLPI's list (Blacklist::getDefaults).
  '6ab5b300-538d-1014-9fb5-b0684d007b53',
  // CapaSystems, "Non-Unique UUID", from the data of its customers.
  '07090201-0103-0301-0807-060504030201',
  'dc698397-fa54-4cf2-82c8-b1b5307a6a7f',
  '8e275844-178f-44a8-aceb-a7d7e5178c63',
  '890e2d14-cacd-45d1-ae66-bc80e8bfeb0f',
  // FOG's list.
  'ffffff00-ffff-ffff-ffff-ffffffffffff',
  // Dell's service tag is in its UUIDs; here it is seven spaces: a board whose tag nobody has set.
  '4c4c4544-0000-2010-8020-80c04f202020',
  // Counting up, as examples in specifications and in tools do.
  '00010203-0405-0607-0809-0a0b0c0d0e0f',
  '01020304-0506-0708-090a-0b0c0d0e0f10',
  '00112233-4455-6677-8899-aabbccddeeff',
  '01234567-89ab-cdef-0123-456789abcdef',
  '12345678-1234-5678-1234-567812345678',
  '12345678-1234-1234-1234-123456789012',
  '12345678-1234-1234-1234-123456789abc',
  'deadbeef-dead-beef-dead-beefdeadbeef',
];

const PATTERNS: readonly RegExp[] = [
  // One byte repeated. All zeros: not set, all ones: settable (SMBIOS specification, 7.2.1). 01…: GLPI, fe…: CapaSystems,
  // 58… (the letter X): A. C. Hay, "SMBIOS UUID fail".
  /^([0-9a-f]{2})\1{3}-\1{2}-\1{2}-\1{2}-\1{6}$/,
  // The first field alone is set, from a counter of the firmware's build: four such in CapaSystems' list.
  /^[0-9a-f]{8}-ffff-ffff-ffff-f{12}$/,
  // Zeros and a MAC address (FOG's list): it says no more than the card, which may be a dock's.
  /^00000000-0000-0000-0000-[0-9a-f]{12}$/,
];

const SHAPE = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Both spellings of a UUID whose first three fields are numbers: firmware and PXE disagree on their byte order. */
export function bothByteOrders(uuid: string): readonly [string, string] {
  const [low = '', middle = '', high = '', ...rest] = uuid.split('-');
  return [uuid, [...[low, middle, high].map(swapBytes), ...rest].join('-')];
}

/** Whether the text is a UUID that tells computers apart. */
export function isIdentifyingUuid(text: string): boolean {
  const uuid = text.trim().toLowerCase();
  return SHAPE.test(uuid) && !bothByteOrders(uuid).some(isBad);
}

function isBad(uuid: string): boolean {
  return KNOWN.includes(uuid) || PATTERNS.some((pattern) => pattern.test(uuid));
}

function swapBytes(hex: string): string {
  return (hex.match(/../g) ?? []).toReversed().join('');
}
