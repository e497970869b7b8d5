import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { type RunResult, run } from '@diskferry/system/run';

const BUILD = join(import.meta.dirname, 'build.ts');
const POLL_MS = 50;
let scratch = '';

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'diskferry-build-'));
});

afterEach(async () => {
  await rm(scratch, { recursive: true, force: true });
});

function build(words: readonly string[]): Promise<RunResult> {
  return run([process.execPath, BUILD, ...words], { okExitCodes: [0, 1, 2] });
}

/**
 * A stand-in for Buildroot, which takes an hour: "make …_defconfig" gives the output folder our defconfig as .config, less one
 * line, and a Makefile that does what the test wants.
 */
async function madeUpBuildroot({ lost = 'none', make = 'true' }): Promise<string[]> {
  const checkout = join(scratch, 'buildroot');
  await mkdir(checkout);
  await mkdir(join(scratch, 'work'));
  await writeFile(join(scratch, 'work/Makefile'), `all:\n\t@${make}\n`);
  const makefile = [
    'export BR2_VERSION := 2026.05.1',
    '%_defconfig:',
    `\tgrep -v '^${lost}=' $(BR2_EXTERNAL)/configs/$@ >$(O)/.config`,
    '',
  ];
  await writeFile(join(checkout, 'Makefile'), makefile.join('\n'));
  return ['--buildroot', checkout, '--work', join(scratch, 'work'), '--output', join(scratch, 'dist')];
}

test('wrong words are refused, and help is given', async () => {
  for (const words of [[], ['--bogus'], ['--buildroot', scratch], ['--buildroot', scratch, '--jobs', '0']]) {
    const { exitCode, stderr } = await build(words);
    assert.equal(exitCode, 2, words.join(' '));
    assert.match(stderr, /^boot-image: .*(--help|is no Buildroot checkout|it must be a number)/);
  }
  const { exitCode, stdout } = await build(['--help']);
  assert.equal(exitCode, 0);
  assert.match(stdout, /^Usage: npm run boot-image:buildroot -- --buildroot PATH/);
});

test('nothing is compiled when Buildroot lost an option, and the option is named', async () => {
  const words = await madeUpBuildroot({ lost: 'BR2_PACKAGE_DISKFERRY_CLIENT', make: 'touch compiled' });
  const { exitCode, stderr } = await build(words);
  assert.equal(exitCode, 1);
  assert.match(stderr, /^boot-image: 1 options? got lost/);
  assert.match(
    stderr,
    /diskferry_x86_64_defconfig:\d+: BR2_PACKAGE_DISKFERRY_CLIENT was to be y, and is not set/,
  );
  assert.ok(!existsSync(join(scratch, 'work/compiled')));
});

test('with --check nothing is compiled', async () => {
  const words = await madeUpBuildroot({ make: 'touch compiled' });
  const { exitCode, stdout } = await build([...words, '--check']);
  assert.equal(exitCode, 0);
  assert.match(stdout, /Buildroot 2026\.05\.1 keeps every option/);
  assert.ok(!existsSync(join(scratch, 'work/compiled')));
});

test('media that Buildroot made are put where they belong, and what it says into a log', async () => {
  const make = 'mkdir images; echo medium >images/diskferry.iso; echo "jobs: $(BR2_JLEVEL)"';
  const { exitCode, stdout } = await build([...(await madeUpBuildroot({ make })), '--jobs', '3']);
  assert.equal(exitCode, 0);
  assert.match(stdout, /dist\/diskferry\.iso is ready$/m);
  assert.equal(await readFile(join(scratch, 'dist/diskferry.iso'), 'utf8'), 'medium\n');
  assert.match(await readFile(join(scratch, 'work/diskferry-build.log'), 'utf8'), /^jobs: 3$/m);
});

test('a build that fails shows the end of its log', async () => {
  const words = await madeUpBuildroot({ make: 'echo "cannot compile this" >&2; false' });
  const { exitCode, stderr } = await build(words);
  assert.equal(exitCode, 1);
  assert.match(stderr, /Buildroot failed; the end of .*diskferry-build\.log:\n[^]*cannot compile this/);
});

test('a build that is interrupted ends what it has started', { timeout: 60_000 }, async () => {
  const words = await madeUpBuildroot({ make: 'echo $$$$ >pid; exec sleep 1000' });
  const child = spawn(process.execPath, [BUILD, ...words], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  const pidFile = join(scratch, 'work/pid');
  while (!existsSync(pidFile) || (await readFile(pidFile, 'utf8')) === '') await setTimeout(POLL_MS);
  const pid = (await readFile(pidFile, 'utf8')).trim();
  child.kill('SIGINT');
  assert.deepEqual(await ended, [130, null]);
  while (existsSync(`/proc/${pid}`)) await setTimeout(POLL_MS);
});
