import { startMachine } from '@diskferry/server/qemu/machine';
import { makeSourceComputer } from '../src/source-computers/source-computer.ts';
import { openSession } from '@diskferry/system/session';
await using session = openSession('try');
const c = await makeSourceComputer('bios-mbr');
await using m = await startMachine(
  {
    name: 'blame',
    firmware: c.firmware,
    disks: [{ path: c.diskPath, format: 'raw', bus: 'virtio', snapshot: true }],
  },
  { session },
);
const a = await m.waitForSerial(/login: /, { timeoutMs: 300000 });
m.serial.type('root\n');
const b = await m.waitForSerial(/Password: /, { timeoutMs: 60000, from: a.end });
m.serial.type('ferry\n');
const d = await m.waitForSerial(/# /, { timeoutMs: 60000, from: b.end });
m.serial.type(
  'systemctl is-active multi-user.target; systemd-analyze; systemd-analyze blame --no-pager | head -40; lsmod | wc -l; dmesg | grep -iE "run /|freeing|Mounted|EXT4" ; echo "en""d"\n',
);
const e = await m.waitForSerial(/\nend/, { timeoutMs: 120000, from: d.end });
console.log(m.serial.lastLines(90).join('\n'));
