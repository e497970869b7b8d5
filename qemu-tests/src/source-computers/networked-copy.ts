import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Session } from '@diskferry/system/session';
import { workCopy } from '../work-files.ts';
import { withMountedPartition } from './mounted-partition.ts';
import type { SourceComputer } from './source-computer.ts';

/** The TCP port at which the system of a networked copy says the name of its host, and hangs up. */
export const ANSWER_PORT = 7007;
/** What it says. */
export const ANSWER = 'ferryman\n';

const UNITS = '/lib/systemd/system';
const FILES = {
  'etc/systemd/network/cable.network': '[Match]\nType=ether\n[Network]\nDHCP=ipv4\nIPv6AcceptRA=no\n',
  'etc/systemd/system/answer.socket': `[Socket]\nListenStream=${ANSWER_PORT}\nAccept=yes\n`,
  'etc/systemd/system/answer@.service':
    '[Service]\nExecStart=/bin/cat /etc/hostname\nStandardInput=socket\nStandardOutput=socket\n',
};
/** What `systemctl enable` would make. */
const LINKS = {
  'etc/systemd/system/multi-user.target.wants/systemd-networkd.service': `${UNITS}/systemd-networkd.service`,
  'etc/systemd/system/sockets.target.wants/answer.socket': '/etc/systemd/system/answer.socket',
};

/**
 * A copy of a source computer's disk whose system asks for an address by DHCP when it starts, and answers on the network.
 * Those of all other tests have no network: it would cost each of their starts some seconds.
 *
 * @returns the raw disk, which goes with the session
 */
export async function networkedCopy(
  { diskPath, layout }: Pick<SourceComputer, 'diskPath' | 'layout'>,
  session: Session,
): Promise<string> {
  const disk = await workCopy(session, diskPath, 'networked.raw');
  await withMountedPartition({ disk, partition: layout.root }, session, async (root) => {
    const place = async (name: string): Promise<string> => {
      const path = join(root, name);
      await mkdir(dirname(path), { recursive: true });
      return path;
    };
    for (const [name, text] of Object.entries(FILES)) await writeFile(await place(name), text);
    for (const [name, target] of Object.entries(LINKS)) await symlink(target, await place(name));
  });
  return disk;
}
