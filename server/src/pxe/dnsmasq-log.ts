import { basename } from 'node:path';

/** What dnsmasq says that is of interest to people. */
export type DnsmasqNews =
  /** It is ready: all its sockets are open. */
  | { readonly kind: 'started' }
  /** A machine asked and got no answer, because no rule names it or one says so. */
  | { readonly kind: 'unanswered'; readonly mac: string }
  /** A machine has loaded a file by TFTP. */
  | { readonly kind: 'loader'; readonly address: string; readonly file: string };

const STARTED = /^dnsmasq\[\d+\]: started, version /;
const UNANSWERED = /^dnsmasq-dhcp\[\d+\]: (?:\d+ )?PXE\(\S+\) ([0-9a-f:]{17}) proxy-ignored/;
const SENT = /^dnsmasq-tftp\[\d+\]: sent (\S+) to ([\d.]+)/;

/** Reads one line of its log; undefined for all that nobody needs to know. */
export function readNews(line: string): DnsmasqNews | undefined {
  if (STARTED.test(line)) return { kind: 'started' };
  const mac = UNANSWERED.exec(line)?.[1];
  if (mac !== undefined) return { kind: 'unanswered', mac };
  const [, path, address] = SENT.exec(line) ?? [];
  if (path === undefined || address === undefined) return undefined;
  return { kind: 'loader', address, file: basename(path) };
}
