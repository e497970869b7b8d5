import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Inventory, readInventory } from '@diskferry/protocol/inventory';

/** An inventory that our client has told in QEMU 7.2 of Debian 12, recorded with `diskferry inventory --json`. */
export function recorded(name: string): Inventory {
  return readInventory(JSON.parse(readFileSync(join(import.meta.dirname, `${name}.json`), 'utf8')), name);
}
