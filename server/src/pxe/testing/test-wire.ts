import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Session } from '@diskferry/system/session';
import { type NetNamespace, openNamespace } from './net-namespace.ts';

/** A switch with cables, in a network namespace. */
export interface TestWire {
  readonly namespace: NetNamespace;
  /** Plugs a namespace in: its new interface is up, with that address if one is given. */
  plug(machine: NetNamespace, name: string, address?: string): Promise<void>;
}

/** The bridge of a wire's namespace, to which virtual machines may be added. */
export const BRIDGE = 'wire';

let cables = 0;

export async function openWire(session: Session, name: string): Promise<TestWire> {
  const namespace = await openNamespace(session, name);
  await namespace.ip('link', 'add', BRIDGE, 'type', 'bridge');
  await namespace.ip('link', 'set', BRIDGE, 'up');
  return {
    namespace,
    plug: async (machine, name, address) => {
      const port = `port${cables++}`;
      await namespace.ip(
        'link',
        'add',
        port,
        'type',
        'veth',
        'peer',
        'name',
        name,
        'netns',
        `${machine.pid}`,
      );
      await namespace.ip('link', 'set', port, 'master', BRIDGE, 'up');
      await machine.ip('link', 'set', name, 'up');
      if (address !== undefined) await machine.ip('address', 'add', address, 'dev', name);
    },
  };
}

/** The DHCP server of somebody else: ISC dhcpd. */
export const FOREIGN_ADDRESS = '10.77.0.2';
/** What it says of booting. */
export const FOREIGN_BOOT_FILE = 'theirs.0';

/**
 * Plugs in a machine that runs ISC dhcpd, which hands out addresses and says what to boot.
 *
 * @param booting that part of its settings
 * @returns the machine
 */
export async function startForeignDhcp(
  session: Session,
  wire: TestWire,
  booting = `filename "${FOREIGN_BOOT_FILE}";`,
): Promise<NetNamespace> {
  const machine = await openNamespace(session, 'foreign DHCP server');
  await wire.plug(machine, 'eth0', `${FOREIGN_ADDRESS}/24`);
  const [settings, leases] = [join(session.folder, 'dhcpd.conf'), join(session.folder, 'dhcpd.leases')];
  await writeFile(
    settings,
    `ping-check false;
option firmware code 93 = unsigned integer 16;
subnet 10.77.0.0 netmask 255.255.255.0 {
  range 10.77.0.100 10.77.0.200;
  next-server ${FOREIGN_ADDRESS};
  ${booting}
}
`,
  );
  await writeFile(leases, '');
  const files = ['-cf', settings, '-lf', leases, '-pf', join(session.folder, 'dhcpd.pid')];
  const command = [...machine.enter, 'dhcpd', '-4', '-f', '-d', ...files, 'eth0'] as const;
  await startDaemon(session, command, 'Server starting service');
  return machine;
}

/** Lets a machine serve a folder by TFTP, and nothing else: not by DHCP. */
export async function startForeignTftp(
  session: Session,
  machine: NetNamespace,
  folder: string,
): Promise<void> {
  const words = [
    '--keep-in-foreground',
    '--conf-file=/dev/null',
    '--port=0',
    '--log-facility=-',
    '--pid-file=',
  ];
  const command = [...machine.enter, 'dnsmasq', ...words, '--enable-tftp', `--tftp-root=${folder}`] as const;
  await startDaemon(session, command, 'started, version');
}

/** Starts a program that the session ends, and waits until its standard error shows those words. */
async function startDaemon(
  session: Session,
  [program, ...words]: readonly [string, ...string[]],
  ready: string,
): Promise<void> {
  const child = spawn(program, words, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  if (child.pid !== undefined) session.holdProcess(child.pid, words.join(' '));
  const lines: string[] = [];
  await new Promise<void>((resolve, reject) => {
    createInterface(child.stderr).on('line', (line) => {
      lines.push(line);
      if (line.includes(ready)) resolve();
    });
    void once(child, 'close').then(() => reject(new Error(`it ended: ${lines.join('\n')}`)), reject);
  });
}
