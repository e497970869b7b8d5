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
/** What it says of booting, to machines that have its boot server. */
export const FOREIGN_BOOT_FILE = 'theirs.0';

/** Plugs in a machine that runs ISC dhcpd, which hands out addresses and knows a boot file of its own. */
export async function startForeignDhcp(session: Session, wire: TestWire): Promise<void> {
  const machine = await openNamespace(session, 'foreign DHCP server');
  await wire.plug(machine, 'eth0', `${FOREIGN_ADDRESS}/24`);
  const [settings, leases] = [join(session.folder, 'dhcpd.conf'), join(session.folder, 'dhcpd.leases')];
  await writeFile(
    settings,
    `ping-check false;
subnet 10.77.0.0 netmask 255.255.255.0 {
  range 10.77.0.100 10.77.0.200;
  filename "${FOREIGN_BOOT_FILE}";
  next-server ${FOREIGN_ADDRESS};
}
`,
  );
  await writeFile(leases, '');
  const files = ['-cf', settings, '-lf', leases, '-pf', join(session.folder, 'dhcpd.pid')];
  const [program, ...words] = [...machine.enter, 'dhcpd', '-4', '-f', '-d', ...files, 'eth0'] as const;
  const child = spawn(program, words, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  if (child.pid !== undefined) session.holdProcess(child.pid, 'dhcpd');
  const lines: string[] = [];
  await new Promise<void>((resolve, reject) => {
    createInterface(child.stderr).on('line', (line) => {
      lines.push(line);
      if (line.includes('Server starting service')) resolve();
    });
    void once(child, 'close').then(() => reject(new Error(`dhcpd ended: ${lines.join('\n')}`)), reject);
  });
}
