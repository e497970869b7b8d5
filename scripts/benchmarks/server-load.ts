import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { searchTextOf } from '@diskferry/server/catalog/image-words';
import { Catalog } from '@diskferry/server/catalog/catalog';
import { openDatabase } from '@diskferry/server/database/database';
import { newId, now } from '@diskferry/server/database/rows';
import { EventLog } from '@diskferry/server/events/event-log';
import { Registry } from '@diskferry/server/registry/registry';
import { enrolmentsOf } from '@diskferry/server/serve/serve';
import { dialControl, inventoryOf } from '@diskferry/server/serve/testing/scripted-client';
import { type ServeProcess, startServeProcess } from '@diskferry/server/serve/testing/serve-process';
import { formatBytes } from '@diskferry/system/units';
import { createIdentity } from '@diskferry/trust/identity';

const COMPUTERS = 10_000;
const IMAGES = 10_000;
const CLIENTS = Number(process.env['DISKFERRY_BENCH_CLIENTS'] ?? 1_000);
const CALLS = 200;
/** What lists and searches may take, 95 of 100, in ms. */
const TARGET_MS = 50;
const ROWS_AT_ONCE = 500;

/** Lists and searches by the API with many computers and images, and many computers that are connected and get a job each. */
export async function benchServer(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'dfb-'));
  const place = { stateFolder: join(folder, 's'), runFolder: join(folder, 'r') };
  const images = join(folder, 'images');
  mkdirSync(images);
  await fill(`sqlite:${join(place.stateFolder, 'server.sqlite')}`, images);
  const server = await startServeProcess(place, ['--port', '0', '--log-level', 'error']);
  try {
    return `${await benchLists(server)}\n${await benchClients(server, place.stateFolder)}`;
  } finally {
    server.cli.signalGroup('SIGTERM');
    await server.cli.ended;
    rmSync(folder, { recursive: true });
  }
}

/** Computers are seen as in real life; images are rows, since their files would fill a disk. */
async function fill(url: string, images: string): Promise<void> {
  const database = await openDatabase(url);
  const events = new EventLog(database);
  const registry = await Registry.open(database, events);
  for (let number = 0; number < COMPUTERS; number++)
    await registry.seen({ inventory: machine(number), via: 'bench' });
  const { id: locationId } = await new Catalog({ database, events, server: 'bench' }).locations.add({
    name: 'bench',
    folder: images,
  });
  for (let start = 0; start < IMAGES; start += ROWS_AT_ONCE) {
    const rows = Array.from({ length: ROWS_AT_ONCE }, (_, index) => imageRow(start + index, locationId));
    await database
      .insertInto('images')
      .values(rows as never)
      .execute();
  }
  await database.destroy();
}

function machine(number: number): ReturnType<typeof inventoryOf> {
  const inventory = inventoryOf(`SN${String(number).padStart(6, '0')}`, 'sda');
  const hex = number.toString(16).padStart(6, '0');
  const mac = `52:54:00:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4)}`;
  const nic = { name: 'eth0', mac, linkUp: true, addresses: [], bus: 'pci' } as const;
  return { ...inventory, nics: [nic] };
}

function imageRow(number: number, locationId: string): Record<string, unknown> {
  const name = `image-${number % 1000}`;
  const notes = `the image of department ${number % 37}`;
  return {
    id: newId(),
    name,
    version: Math.floor(number / 1000) + 1,
    state: 'ready',
    arrival: 'copied',
    locationId,
    file: `${name}-${number}.qcow2`,
    format: 'qcow2',
    notes,
    searchText: searchTextOf(name, notes, []),
    originKind: 'import',
    createdAt: now(),
  };
}

async function benchLists({ ask }: ServeProcess): Promise<string> {
  const lines = ['| call | median | 95 of 100 | target |', '| --- | --- | --- | --- |'];
  const calls: Readonly<Record<string, (round: number) => string>> = {
    'computers, a page of 50': () => '/api/v1/computers?limit=50',
    'computers, a word in them': (round) =>
      `/api/v1/computers?text=SN00${String(round * 37).padStart(4, '0')}&limit=50`,
    'computers, by state': () => '/api/v1/computers?state=unregistered&limit=50',
    'images, a page of 50': () => '/api/v1/images?limit=50',
    'images, a word in them': (round) => `/api/v1/images?text=department%20${round % 37}&limit=50`,
    'images, by name': (round) => `/api/v1/images?name=image-${round}&limit=50`,
  };
  for (const [name, path] of Object.entries(calls)) {
    const times = [];
    for (let round = 0; round < CALLS; round++) {
      const begin = performance.now();
      const { status, json } = await ask('GET', path(round));
      times.push(performance.now() - begin);
      if (status !== 200 || json.total === 0)
        throw new Error(`${path(round)}: ${status}, ${json.total} found`);
    }
    const late = percentile(times, 95);
    const verdict = late <= TARGET_MS ? 'reached' : 'MISSED';
    lines.push(`| ${name} | ${ms(percentile(times, 50))} | ${ms(late)} | ${TARGET_MS} ms: ${verdict} |`);
  }
  return `### The API with ${COMPUTERS} computers and ${IMAGES} images, ${CALLS} calls each\n\n${lines.join('\n')}\n`;
}

async function benchClients(server: ServeProcess, stateFolder: string): Promise<string> {
  const secret = enrolmentsOf(stateFolder).create('bench');
  const door = { port: server.port, authority: readFileSync(server.authorityFile, 'utf8') };
  const before = memoryOf(server.cli.pid);
  const began = performance.now();
  const clients = [];
  for (let number = 0; number < CLIENTS; number++) {
    const identity = await createIdentity('bench');
    const inventory = machine(number);
    clients.push(
      await dialControl(door, { secret, identity }, ({ type }) =>
        type === 'get-inventory' ? { type: 'inventory', inventory } : undefined,
      ),
    );
  }
  const connected = await until(
    server,
    ({ text }) => /^diskferry_computers_connected (\d+)/m.exec(text)?.[1] === String(CLIENTS),
  );
  const all = seconds(began, connected);
  const after = memoryOf(server.cli.pid);

  const { json: page } = await server.ask('GET', `/api/v1/computers?limit=1000`);
  const names = page.computers.slice(0, CLIENTS).map(({ name }: { name: string }) => name);
  const started = performance.now();
  const ids = [];
  for (const computer of names) {
    const { json, status } = await server.ask('POST', '/api/v1/jobs', {
      kind: 'inventory',
      spec: { computer },
    });
    if (status !== 201) throw new Error(JSON.stringify(json));
    ids.push(json.id);
  }
  const done = await until(
    server,
    ({ text }) => /^diskferry_jobs\{state="succeeded"\} (\d+)/m.exec(text)?.[1] === String(ids.length),
  );
  const jobTimes = [];
  for (const id of ids) {
    const { json } = await server.ask('GET', `/api/v1/jobs/${id}`);
    jobTimes.push(Date.parse(json.endedAt) - Date.parse(json.startedAt));
  }
  for (const client of clients) client.close();
  return `### ${CLIENTS} computers

| | |
| --- | --- |
| all connected and known | ${all} |
| a job for each, from the first to the last | ${seconds(started, done)} |
| a job from its start to its end, median and 95 of 100 | ${ms(percentile(jobTimes, 50))}, ${ms(percentile(jobTimes, 95))} |
| memory of the server before, with all connected, after the jobs | ${formatBytes(before)}, ${formatBytes(after)}, ${formatBytes(memoryOf(server.cli.pid))} |
`;
}

/** Looks at the metrics until they are as wanted; returns when. */
async function until(
  server: ServeProcess,
  condition: (metrics: { text: string }) => boolean,
): Promise<number> {
  for (const deadline = performance.now() + 600_000; performance.now() < deadline; await sleep(200)) {
    if (condition({ text: await server.metrics() })) return performance.now();
  }
  throw new Error(`the server is not as it should be: ${await server.metrics()}`);
}

/** What a process has in memory, in bytes. */
function memoryOf(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) * 1024;
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] as number;
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}

function seconds(from: number, to: number): string {
  return `${((to - from) / 1000).toFixed(1)} s`;
}
