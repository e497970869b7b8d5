import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { NetNamespace } from '@diskferry/server/pxe/testing/net-namespace';
import type { Session } from '@diskferry/system/session';

const ADDRESS = '10.77.0.3';
const RANGE = '10.77.0.100,10.77.0.150,1h';
/** x86-64 UEFI that boots over HTTP (IANA, "Processor Architecture Types"). */
const ARCHITECTURE = 16;

export interface HttpBoot {
  readonly session: Session;
  /** Where it runs, with 10.77.0.3 at eth0. */
  readonly server: NetNamespace;
  /** What the firmware shall load and start. */
  readonly file: string;
}

/** The smallest thing that firmware boots from over HTTP: a DHCP server that names a URL, and a web server behind it. */
export async function startHttpBoot({ session, server, file }: HttpBoot): Promise<void> {
  const url = `http://${ADDRESS}/${basename(file)}`;
  const words = [
    '--keep-in-foreground',
    '--conf-file=/dev/null',
    '--port=0',
    '--log-facility=-',
    '--pid-file=',
    `--dhcp-leasefile=${join(session.folder, 'leases')}`,
    '--interface=eth0',
    '--bind-interfaces',
    `--dhcp-range=${RANGE}`,
    `--dhcp-match=set:http,option:client-arch,${ARCHITECTURE}`,
    `--dhcp-boot=tag:http,${url}`,
    // The firmware takes no answer for its own without it (UEFI specification, "HTTP Boot").
    '--dhcp-option-force=tag:http,60,HTTPClient',
  ];
  await startDaemon(session, [...server.enter, 'dnsmasq', ...words], /started/);
  await startDaemon(session, [...server.enter, 'busybox', 'httpd', '-f', '-p', '80', '-h', dirname(file)]);
}

/** Starts a program that the session ends, and waits until its standard error shows that it is ready, if it says so. */
async function startDaemon(
  session: Session,
  [program = '', ...words]: readonly string[],
  ready?: RegExp,
): Promise<void> {
  const said = ready === undefined ? 'ignore' : 'pipe';
  const child = spawn(program, words, { stdio: ['ignore', 'ignore', said], detached: true });
  await once(child, 'spawn');
  if (child.pid !== undefined) session.holdProcess(child.pid, words.join(' '));
  child.unref();
  if (child.stderr === null || ready === undefined) return;
  for await (const line of createInterface(child.stderr)) if (ready.test(line)) return;
  throw new Error(`${words.join(' ')} ended`);
}
