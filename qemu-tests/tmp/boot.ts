import { startMachine } from '@diskferry/server/qemu/machine';
import { makeSourceComputer } from '../src/source-computers/source-computer.ts';
import { openSession } from '@diskferry/system/session';
const kind = process.argv[2] as 'bios-mbr';
const bus = process.argv[3] as 'ahci';
await using session = openSession('try');
const c = await makeSourceComputer(kind);
const t = performance.now();
await using m = await startMachine(
  {
    name: kind,
    firmware: c.firmware,
    memoryMb: 512,
    cpus: Number(process.argv[4] ?? 1),
    disks: [{ path: c.diskPath, format: 'raw', bus, snapshot: true }],
  },
  { session },
);
try {
  for (const p of [/Booting|EFI stub|BdsDxe/, /login:/]) {
    await m.waitForSerial(p, { timeoutMs: 200000 });
    console.log(String(p), performance.now() - t);
  }
} catch (e) {
  console.log(e);
  await m.screenshot('/tmp/qt/shot.png');
}
if (process.argv[5]) {
  const { writeFileSync, copyFileSync } = await import('node:fs');
  copyFileSync(m.serialLogPath, process.argv[5]);
}
