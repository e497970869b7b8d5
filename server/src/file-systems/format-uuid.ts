/** Sixteen bytes as people write a UUID: "0d2a1a6e-9f3e-4b54-8b4a-6d3c2c7b9e11". */
export function formatUuid(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
