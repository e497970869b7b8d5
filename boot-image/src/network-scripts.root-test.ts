import assert from 'node:assert/strict';
import { mkdir, readFile, rm, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inMountNamespace } from '@diskferry/system/mount-namespace';
import { run } from '@diskferry/system/run';
import { SOURCE_FOLDER } from './locations.ts';

const SCRIPTS = join(SOURCE_FOLDER, 'rootfs/usr/lib/diskferry');
/** Far more than any step needs, in seconds; a step that waits so long has failed. */
const BOUND_SECONDS = 40;

/**
 * In a network of its own: a cable with a card of the secondary OS at one end, and at the other a network that has no DHCP
 * server at first. Prints what the screen would be told after each step.
 */
const SCENE = `
mount -t sysfs sys /sys
# BusyBox makes no such pairs.
/bin/ip link add card type veth peer name network
ip link set lo up
ip addr add 10.9.0.1/24 dev network
ip link set network up
ADAPTERS='card broken' ash "$LIBRARY/keep-network" &

# Waits until the state of the card is $1, and prints it without the time.
reaches() {
  ticks=0
  until [ -r "$NETWORK/card" ] && read -r state since words <"$NETWORK/card" && [ "$state" = "$1" ]; do
    ticks=$((ticks + 1))
    [ "$ticks" -lt ${BOUND_SECONDS * 5} ] || { echo "waited for $1 in vain: $(cat "$NETWORK/card")"; exit 1; }
    sleep 0.2
  done
  echo "$state\${words:+ $words}"
}
set_to() {
  echo "$1" >"$NETWORK_SETTINGS/.card"
  mv "$NETWORK_SETTINGS/.card" "$NETWORK_SETTINGS/card"
}

reaches no-answer
asked_since=$since
read -r state since words <"$NETWORK/broken"
echo "$state $words"
sleep 6
reaches no-answer
[ "$since" = "$asked_since" ] || echo "the wait began anew: $asked_since, $since"

set_to 'static 10.9.0.5/24 10.9.0.1 10.9.0.1,10.9.0.2 -'
reaches static
ip -4 addr show dev card | sed -n 's/^ *inet \\([^ ]*\\) .*/address \\1/p'
ip route show dev card | sed -n 's/^default via \\([^ ]*\\) .*/gateway \\1/p'
cat "$RESOLV_CONF"
sleep 6
reaches static

cat >"$FOLDER/udhcpd.conf" <<END
start 10.9.0.77
end 10.9.0.77
interface network
max_leases 1
lease_file $FOLDER/leases
pidfile $FOLDER/udhcpd.pid
option subnet 255.255.255.0
option dns 10.9.0.3
END
touch "$FOLDER/leases"
udhcpd -f "$FOLDER/udhcpd.conf" 2>"$FOLDER/udhcpd.log" &
set_to 'dhcp - - - -'
reaches bound
ip -4 addr show dev card | sed -n 's/^ *inet \\([^ ]*\\) .*/address \\1/p'
cat "$RESOLV_CONF"

set_to 'static 10.9.0.300/24 - - -'
reaches failed
ip -4 addr show dev card | grep inet
exit 0
`;

test('the screen is told how DHCP goes, and what is set there holds against it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'diskferry-network-'));
  try {
    const programs = join(folder, 'bin');
    const at = (name: string): string => join(folder, name);
    for (const name of ['bin', 'state', 'network', 'settings']) await mkdir(at(name));
    await writeFile(at('resolv.conf'), '');
    await writeFile(at('cmdline'), 'quiet\n');
    await run(['busybox', '--install', '-s', programs]);
    const env = {
      PATH: programs,
      FOLDER: folder,
      LIBRARY: SCRIPTS,
      STATE: at('state'),
      NETWORK: at('network'),
      NETWORK_SETTINGS: at('settings'),
      RESOLV_CONF: at('resolv.conf'),
      KERNEL_COMMAND_LINE: at('cmdline'),
    };
    // With a process tree of its own, which ends with its first process.
    const namespaces = ['--net', '--uts', '--pid', '--fork', '--kill-child', '--mount-proc'];
    const words = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const scene = ['env', ...words, join(programs, 'ash'), '-c', SCENE];
    const { stdout } = await run(inMountNamespace('exec "$@"', scene, namespaces));
    assert.deepEqual(stdout.trim().split('\n'), [
      'no-answer',
      // There is no such card: the kernel refuses it as it does one without its firmware.
      'failed the card cannot be switched on, perhaps for want of firmware, which a medium gets by --firmware',
      'no-answer',
      'static 10.9.0.5/24',
      'address 10.9.0.5/24',
      'gateway 10.9.0.1',
      'nameserver 10.9.0.1 # card',
      'nameserver 10.9.0.2 # card',
      'static 10.9.0.5/24',
      'bound 10.9.0.77/24',
      'address 10.9.0.77/24',
      'nameserver 10.9.0.3 # card',
      'failed the address 10.9.0.300/24 is not taken',
    ]);
    assert.equal(await readFile(at('resolv.conf'), 'utf8'), '');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
