import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Session } from '@diskferry/system/session';
import { formatBytes } from '@diskferry/system/units';
import { startImagingClient } from './servers.ts';
import { makeSourceDisk, writeSmallFiles } from './source-disks.ts';
import { beside, captureInto } from './transfer.ts';

const FILES = Number(process.env['DISKFERRY_BENCH_MEMORY_FILES'] ?? 1_000_000);
const DISK_BYTES = 12 * 1024 ** 3;
const MAX_BYTES = 300_000_000;
const INTERVAL_MS = 500;
const BYTES_PER_KB = 1024;

/**
 * The most memory of all processes of a capture together, with very many small files. Pages that processes share, such
 * as the program of Node, count once (Pss of smaps_rollup): with their share of other processes of Node on this machine left out.
 */
export async function benchMemory(session: Session): Promise<string> {
  const disk = await makeSourceDisk(session, {
    name: 'memory',
    bytes: DISK_BYTES,
    format: ['-N', String(Math.ceil(FILES * 1.05) + 10_000)],
    fill: (folder) => writeSmallFiles(folder, FILES),
  });
  const client = await startImagingClient(disk.path, session);
  const image = beside(session, disk.path, 'qcow2');
  const ended = new AbortController();
  let peak = 0;
  let processes: readonly string[] = [];
  let command = 0;
  const begin = performance.now();
  const capture = captureInto(image, client.uri, [], (pid) => (command = pid)).finally(() => ended.abort());
  while (!ended.signal.aborted) {
    const found = processesOf(command);
    const sum = found.reduce((total, { bytes }) => total + bytes, 0);
    if (sum > peak) {
      peak = sum;
      processes = found.map(({ name, bytes }) => `${name} ${formatBytes(bytes)}`);
    }
    await sleep(INTERVAL_MS);
  }
  await capture;
  const seconds = (performance.now() - begin) / 1000;
  const verdict = peak < MAX_BYTES ? 'reached' : 'MISSED';
  return [
    `### Memory of a capture of ${FILES} small files`,
    '',
    `At most ${formatBytes(peak)} of all processes together, in ${seconds.toFixed(0)} s; below ${formatBytes(MAX_BYTES)}: ${verdict}. ${processes.join(', ')}.`,
    '',
  ].join('\n');
}

/** The command and what belongs to it: its children, and what names its session's folder. */
function processesOf(command: number): { name: string; bytes: number }[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
        const belongs =
          pid === String(command) || parent === String(command) || line.includes(`/capture-${command}-`);
        if (!belongs) return [];
        const pss = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1];
        return [{ name: nameOf(line), bytes: Number(pss ?? 0) * BYTES_PER_KB }];
      } catch {
        // It ended in the meantime.
        return [];
      }
    });
}

function nameOf(commandLine: string): string {
  return (
    /diskferry\.js|adapter-process|tree-copy|qemu-nbd/.exec(commandLine)?.[0] ?? commandLine.slice(0, 20)
  );
}
