import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Decision, MachineFacts, Ruling } from './boot-decision.ts';

/** What happens while machines start from the network. */
export type BootEvent =
  /** It asked over DHCP and got no answer. */
  | { readonly event: 'unanswered'; readonly mac: string }
  /** It has its first loader, by TFTP or by the HTTP boot of its firmware. */
  | {
      readonly event: 'loader';
      readonly address: string;
      readonly file: string;
      readonly by: 'tftp' | 'http';
    }
  /** It asked what to boot. */
  | ({ readonly event: 'asked' } & MachineFacts & Ruling)
  /** It has kernel and initrd, completely. */
  | { readonly event: 'booted'; readonly mac: string; readonly address: string; readonly bytes: number };

const DEED: Readonly<Record<Decision, string>> = {
  boot: 'boots the imaging client',
  local: 'starts from its own disk',
  refuse: 'is refused',
  ignore: 'is refused',
};
const REASON: Readonly<Record<Ruling['by'], string>> = {
  mac: 'known by its MAC address',
  uuid: 'known by its UUID',
  unknown: 'nobody has named it',
};

/** Appends to a file, one JSON object a line, with the time. */
export function appendEvent(path: string, event: BootEvent): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  appendFileSync(path, `${JSON.stringify(timed(event))}\n`, { mode: 0o600 });
}

/** The event as programs get it, with the time in ISO 8601. */
export function timed(event: BootEvent): object {
  return { time: new Date().toISOString(), ...event };
}

/** One line for people. */
export function describeEvent(event: BootEvent): string {
  switch (event.event) {
    case 'unanswered':
      return `${event.mac} asked and got no answer`;
    case 'loader':
      return `${event.address} has loaded ${event.file} by ${event.by.toUpperCase()}`;
    case 'asked': {
      const { mac, address, firmware, manufacturer, product, decision, by } = event;
      const model = `${manufacturer} ${product}`.trim();
      const machine = [address, firmware === 'bios' ? 'BIOS' : 'UEFI', ...(model === '' ? [] : [model])];
      return `${mac} (${machine.join(', ')}) ${DEED[decision]}: ${REASON[by]}`;
    }
    case 'booted':
      return `${event.mac} (${event.address}) has loaded the imaging client`;
  }
}
