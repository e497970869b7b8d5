import type { Inventory } from '@diskferry/protocol/inventory';

/** No maker's words are longer; a database may refuse longer ones in an index. */
const MAX_TEXT = 256;

/** The inventory with texts that a database, a terminal and a page can show: it comes from whoever was let in. */
export function cleanInventory(inventory: Inventory): Inventory {
  return clean(inventory) as Inventory;
}

function clean(value: unknown): unknown {
  if (typeof value === 'string') return cleanText(value);
  if (Array.isArray(value)) return value.map(clean);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, clean(field)]));
}

/** PostgreSQL keeps no zero characters; others could move the cursor of a terminal. */
function cleanText(text: string): string {
  return text.slice(0, MAX_TEXT).replaceAll(/\p{C}/gu, '').trim();
}
