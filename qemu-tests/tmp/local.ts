import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { bootProof } from '@diskferry/server/boot-proof/boot-proof';
import { openSession } from '@diskferry/system/session';
import { captureDisk } from '../src/diskferry.ts';
import { differencesOf } from '../src/same-files.ts';
import { layoutOf } from '../src/source-computers/layout.ts';
import { makeSourceComputer } from '../src/source-computers/source-computer.ts';
import { sha256Of, workFile } from '../src/work-files.ts';
const kind = process.argv[2] as 'bios-mbr';
const c = await makeSourceComputer(kind);
await using session = openSession('local');
const before = await sha256Of(c.diskPath);
const client = spawn(
  'dist/imaging-client',
  ['--disk', c.diskPath, '--port', '7300', '--control-port', '7301', '--listen', '127.0.0.1'],
  { stdio: ['ignore', 'pipe', 'inherit'] },
);
await once(client.stdout, 'data');
const name = c.diskPath.split('/').at(-1);
try {
  const image = await workFile(session, 'local.qcow2');
  const report = await captureDisk(
    `nbd://127.0.0.1:7300/${encodeURIComponent(process.argv[3] ?? name ?? '')}`,
    image,
    { timeoutMs: 600000 },
  );
  console.log(c.usedBytes, report.allocatedBytes / c.usedBytes, JSON.stringify(report));
  console.log('same', before === (await sha256Of(c.diskPath)));
  const d = await differencesOf(
    { source: c.diskPath, image, layout: layoutOf(kind, c.diskPath, c.diskBytes) },
    session,
  );
  console.log(d.length, d.slice(0, 20));
  console.log(
    await bootProof({ path: image, format: 'qcow2' }, { session, onProgress: (l) => console.log(l) }),
  );
} finally {
  client.kill();
}
