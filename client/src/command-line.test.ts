import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCommandLine } from './command-line.ts';

test('without options the disks of the computer are served read-only on the usual ports', () => {
  assert.deepEqual(parseCommandLine([]), {
    action: 'serve',
    paths: [],
    sectorSize: 512,
    stateFolder: '/run/diskferry-client',
    certificatesFolder: undefined,
    managed: undefined,
    insecure: false,
    writable: false,
    host: undefined,
    port: 7000,
    controlPort: 7001,
    consoles: [],
    allowShell: false,
    settledFile: undefined,
    systemFolder: '/',
  });
});

test('every option is understood', () => {
  const text =
    '--disk a.img --disk /dev/sdb --sector-size 4096 --state /tmp/s --insecure --writable --listen ::1 --port 0 --control-port 7005 --console /dev/tty1 --console /dev/ttyS0 --allow-shell --system /tmp/os --json';
  assert.deepEqual(parseCommandLine(text.split(' ')), {
    action: 'json',
    paths: ['a.img', '/dev/sdb'],
    sectorSize: 4096,
    stateFolder: '/tmp/s',
    certificatesFolder: undefined,
    managed: undefined,
    insecure: true,
    writable: true,
    host: '::1',
    port: 0,
    controlPort: 7005,
    consoles: ['/dev/tty1', '/dev/ttyS0'],
    allowShell: true,
    settledFile: undefined,
    systemFolder: '/tmp/os',
  });
  assert.deepEqual(parseCommandLine(['--help', '--port', 'x']), { action: 'help' });
  assert.deepEqual(parseCommandLine(['--version']), { action: 'version' });
});

const MANAGED = ['--server', 'lab:1', '--ca', 'ca.pem', '--enrolment', 'secret'];

test('a server to dial comes with its authority and a secret', () => {
  const command = parseCommandLine(MANAGED);
  assert.deepEqual('managed' in command && command.managed, {
    server: 'lab:1',
    ca: 'ca.pem',
    enrolment: 'secret',
  });
});

test('a wrong command line is refused with a sentence that names the option', () => {
  for (const [args, message] of [
    [['--disks'], /unknown option '--disks'/],
    [['--disk'], /--disk.*argument missing/],
    [['disk.img'], /unexpected argument 'disk.img'/],
    [['--port', '70000'], /--port 70000 is not a number from 0 to 65535/],
    [['--control-port', '-1'], /--control-port/],
    [['--disk', 'x', '--sector-size', '520'], /--sector-size 520 is not one of 512, 1024, 2048, 4096/],
    [['--sector-size', '4096'], /give one with --disk/],
    [['--writable'], /--writable .* only taken with --insecure/],
    [['--tls-certificates', 'x', '--insecure'], /exclude each other/],
    [['--server', 'lab'], /--server, --ca and --enrolment belong together/],
    [['--ca', 'x', '--enrolment', 'y'], /--server, --ca and --enrolment belong together/],
    [[...MANAGED, '--insecure'], /--insecure has no meaning with --server/],
    [[...MANAGED, '--port', '7000'], /--port has no meaning with --server/],
    [['--listen', 'localhost'], /--listen localhost is not an IP address/],
  ] as const) {
    assert.throws(() => parseCommandLine(args), { code: 'USAGE', message });
  }
});

test('the control channel has the port after that of the disks, unless it is told', () => {
  const ports = (...args: string[]) => {
    const command = parseCommandLine(args);
    return 'port' in command ? [command.port, command.controlPort] : [];
  };
  assert.deepEqual(ports('--port', '7005'), [7005, 7006]);
  assert.deepEqual(ports('--port', '7005', '--control-port', '7001'), [7005, 7001]);
  assert.deepEqual(ports('--port', '0'), [0, 0]);
  assert.deepEqual(ports('--port', '65535'), [65535, 0]);
});
