import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '@diskferry/system/run';
import { SOURCE_FOLDER } from './locations.ts';

const SCRIPTS = join(SOURCE_FOLDER, 'rootfs/usr/lib/diskferry');
const INIT = join(SOURCE_FOLDER, 'initramfs/init');
/** BusyBox's shell is what runs the scripts in the end; the host's sh stands in where there is none. */
const SHELL = (await isBusyBoxThere()) ? (['busybox', 'ash'] as const) : (['sh'] as const);

async function isBusyBoxThere(): Promise<boolean> {
  return run(['busybox', 'true']).then(
    () => true,
    () => false,
  );
}

test('every script of the secondary OS is valid for a POSIX shell', async () => {
  const scripts = [INIT, ...readdirSync(SCRIPTS).map((name) => join(SCRIPTS, name))];
  for (const script of scripts) {
    await run(['sh', '-n', script]);
    await run([...SHELL, '-n', script]);
  }
});

test('every program that init starts is in the root file system', async () => {
  const inittab = await readFile(join(SOURCE_FOLDER, 'rootfs/etc/inittab'), 'utf8');
  const own = [...inittab.matchAll(/:\/usr\/lib\/diskferry\/(\S+)/g)].map((match) => match[1] ?? '');
  assert.ok(own.length > 0);
  for (const name of own) assert.ok(readdirSync(SCRIPTS).includes(name), name);
});

/** Runs shell lines after sourcing one of the scripts. */
async function shell(script: string, lines: string, env: Record<string, string> = {}): Promise<string> {
  const { stdout } = await run([...SHELL, '-c', `. '${join(SCRIPTS, script)}'; ${lines}`], { env });
  return stdout.trim();
}

const FIELDS = 'echo "$ip_method|$ip_client|$ip_gateway|$ip_netmask|$ip_hostname|$ip_device|$ip_dns"';
const IP_VALUES = {
  dhcp: 'dhcp||||||',
  on: 'dhcp||||||',
  any: 'dhcp||||||',
  off: 'off||||||',
  none: 'off||||||',
  ':::::eth1:dhcp': 'dhcp|||||eth1|',
  '::::host::dhcp': 'dhcp||||host||',
  ':::::eth1:off': 'off|||||eth1|',
  '10.0.0.5::10.0.0.1:255.255.255.0:lab:eth0:off': 'static|10.0.0.5|10.0.0.1|255.255.255.0|lab|eth0|',
  '10.0.0.5::::::off': 'static|10.0.0.5|||||',
  '10.0.0.5:10.0.0.9:10.0.0.1:255.0.0.0:lab:52-54-00-12-34-56:none:10.0.0.2:10.0.0.3:10.0.0.4':
    'static|10.0.0.5|10.0.0.1|255.0.0.0|lab|52-54-00-12-34-56|10.0.0.2 10.0.0.3',
};

test('the values of ip= mean what the kernel documentation says', async () => {
  for (const [value, expected] of Object.entries(IP_VALUES)) {
    assert.equal(await shell('ip-parameter.sh', `parse_ip_parameter '${value}'; ${FIELDS}`), expected, value);
  }
});

test('a second ip= value keeps nothing of the first', async () => {
  const [first] = Object.keys(IP_VALUES).slice(-1);
  const lines = `parse_ip_parameter '${first}'; parse_ip_parameter dhcp; ${FIELDS}`;
  assert.equal(await shell('ip-parameter.sh', lines), IP_VALUES.dhcp);
});

test('words of the kernel command line are found whole', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'diskferry-scripts-'));
  try {
    const file = join(folder, 'cmdline');
    await writeFile(file, 'quiet ip=a zip=b ip=c diskferry.shell.not xdiskferry.shell\n');
    const env = { KERNEL_COMMAND_LINE: file };
    const script = 'kernel-command-line.sh';
    assert.equal(await shell(script, 'values_of ip', env), 'a\nc');
    assert.equal(await shell(script, 'has_word diskferry.shell || echo no', env), 'no');
    assert.equal(await shell(script, 'has_word quiet && echo yes', env), 'yes');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

/** What the client would be started with, by a kernel command line and the settings on the medium. */
async function clientOptions(commandLine: string, server?: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'diskferry-scripts-'));
  try {
    await writeFile(join(folder, 'cmdline'), `quiet ${commandLine}\n`);
    if (server !== undefined) await writeFile(join(folder, 'server'), `${server}\n`);
    const env = { KERNEL_COMMAND_LINE: join(folder, 'cmdline'), SETTINGS: folder };
    const lines = `. '${join(SCRIPTS, 'client-options.sh')}'; client_options`;
    const options = await shell('kernel-command-line.sh', lines, env);
    return options.replaceAll(folder, 'SETTINGS').replaceAll('\n', ' ');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test('the client is started as medium and kernel command line say', async () => {
  const files = '--ca SETTINGS/ca.pem --enrolment SETTINGS/enrolment';
  for (const [commandLine, server, expected] of [
    ['', undefined, ''],
    ['', 'lab:7443', `--server lab:7443 ${files}`],
    ['diskferry.server=other:1', 'lab:7443', `--server other:1 ${files}`],
    ['diskferry.server=other:1', undefined, `--server other:1 ${files}`],
    ['diskferry.server=a:1 diskferry.server=b:2', undefined, `--server b:2 ${files}`],
    ['diskferry.server=none', 'lab:7443', ''],
    ['diskferry.insecure', undefined, '--insecure'],
    ['diskferry.insecure diskferry.server=other:1', 'lab:7443', '--insecure'],
    ['diskferry.insecure.not', undefined, ''],
  ] as const) {
    assert.equal(await clientOptions(commandLine, server), expected, `${commandLine} with ${server}`);
  }
});

test('the menu offers a start without encryption, and does not take it by itself', async () => {
  const menu = (name: string): Promise<string> => readFile(join(SOURCE_FOLDER, 'menu', name), 'utf8');
  const [first, ...others] = (await menu('grub.cfg')).split('menuentry').slice(1);
  assert.doesNotMatch(first ?? '', /insecure/);
  assert.equal(others.filter((entry) => entry.includes('start_diskferry diskferry.insecure')).length, 1);
});
