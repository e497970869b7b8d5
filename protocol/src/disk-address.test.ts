import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import {
  AddressError,
  CLIENT_PORT,
  CONTROL_PORT,
  controlPortOf,
  type DiskAddress,
  formatDiskAddress,
  formatHostAddress,
  parseDiskAddress,
  parseHostAddress,
} from './disk-address.ts';

const tcp = (host: string, port: number, exportName: string): DiskAddress => ({
  transport: 'tcp',
  host,
  port,
  exportName,
});
const unix = (socketPath: string, exportName: string): DiskAddress => ({
  transport: 'unix',
  socketPath,
  exportName,
});

describe('disk addresses', () => {
  const understood: [text: string, address: DiskAddress][] = [
    ['/dev/sda@192.168.0.138', tcp('192.168.0.138', 7000, 'sda')],
    ['/dev/sda@192.168.0.138:7000', tcp('192.168.0.138', 7000, 'sda')],
    ['/dev/nvme0n1@lab-12.example.org:65535', tcp('lab-12.example.org', 65535, 'nvme0n1')],
    ['sda@host', tcp('host', 7000, 'sda')],
    ['/dev/mapper/a@b@host:1', tcp('host', 1, 'mapper/a@b')],
    ['/dev/sda@[fe80::1]', tcp('fe80::1', 7000, 'sda')],
    ['/dev/sda@[fe80::1%eth0]:7001', tcp('fe80::1%eth0', 7001, 'sda')],
    ['nbd://host', tcp('host', 10809, '')],
    ['nbd://host/', tcp('host', 10809, '')],
    ['nbd://host:7000/sda', tcp('host', 7000, 'sda')],
    ['NBD://host/a/b', tcp('host', 10809, 'a/b')],
    ['nbd://host//dev/sda', tcp('host', 10809, '/dev/sda')],
    ['nbd://host/a%20b%3F%C3%A4', tcp('host', 10809, 'a b?ä')],
    ['nbd://[::1]:10810/x', tcp('::1', 10810, 'x')],
    ['nbd://[fe80::1%25eth0]/x', tcp('fe80::1%eth0', 10809, 'x')],
    ['nbd+unix:///?socket=/run/a.sock', unix('/run/a.sock', '')],
    ['nbd+unix:///sda?socket=/run/a%20b.sock', unix('/run/a b.sock', 'sda')],
    ['nbd+unix:///a%2Fb?socket=relative', unix('relative', 'a/b')],
  ];
  for (const [text, address] of understood) {
    test(`${text} is understood`, () => assert.deepEqual(parseDiskAddress(text), address));
  }

  const refused: [text: string, why: RegExp][] = [
    ['', /no @/],
    ['/dev/sda', /no @/],
    ['/dev/sda@', /names no host/],
    ['@host', /names no disk/],
    ['/dev/@host', /names no disk/],
    ['/dev/sda@host:0', /port "0"/],
    ['/dev/sda@host:65536', /port "65536"/],
    ['/dev/sda@host:', /port ""/],
    ['/dev/sda@host:7000x', /port "7000x"/],
    ['/dev/sda@fe80::1', /brackets/],
    ['/dev/sda@[fe80::zz]', /not an IPv6 address/],
    ['/dev/sda@ho st', /not a host name/],
    ['/dev/sda@host/x', /not a host name/],
    ['nbd:///sda', /names no host/],
    ['nbd://user@host/sda', /user name/],
    ['nbd://host/sda?socket=/x', /parameter socket/],
    ['nbd://host/%zz', /percent-encoded/],
    ['nbd://host/%00', /NUL/],
    [`nbd://host/${'x'.repeat(4097)}`, /longer than 4096/],
    ['nbd+unix:///sda', /no \?socket=PATH/],
    ['nbd+unix://host/sda?socket=/x', /three slashes/],
    ['nbds://host/sda', /write nbd:\/\/ .*TLS is used/],
    ['http://host/sda', /not a scheme of NBD/],
  ];
  for (const [text, why] of refused) {
    test(`"${text.slice(0, 40)}" is refused with a sentence`, () => {
      assert.throws(
        () => parseDiskAddress(text),
        (error) =>
          error instanceof AddressError && error.code === 'ADDRESS_INVALID' && why.test(error.message),
      );
    });
  }

  test('what is formatted is understood as the same address', () => {
    const name = fc
      .string({ unit: 'binary', maxLength: 40 })
      .filter((text) => !text.includes('\0') && text.isWellFormed());
    const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6());
    const port = fc.integer({ min: 1, max: 65535 });
    const path = name.filter((text) => text !== '');
    const address = fc.oneof(
      fc.tuple(host, port, name).map((parts) => tcp(...parts)),
      fc.tuple(path, name).map((parts) => unix(...parts)),
    );
    fc.assert(
      fc.property(address, (address) =>
        assert.deepEqual(parseDiskAddress(formatDiskAddress(address)), address),
      ),
    );
  });
});

describe('host addresses', () => {
  test('the port is optional and has a default that can be chosen', () => {
    assert.deepEqual(parseHostAddress('host'), { host: 'host', port: 7000 });
    assert.deepEqual(parseHostAddress('host', { defaultPort: 7001 }), { host: 'host', port: 7001 });
    assert.deepEqual(parseHostAddress('host:9'), { host: 'host', port: 9 });
    assert.deepEqual(parseHostAddress('[::1]:9'), { host: '::1', port: 9 });
  });

  test('an IPv6 address is shown in brackets', () => {
    assert.equal(formatHostAddress({ host: '::1', port: 9 }), '[::1]:9');
    assert.equal(formatHostAddress({ host: 'host', port: 9 }), 'host:9');
  });

  for (const text of ['', ':7000', 'host:x', '::1', 'a@b', 'nbd://host']) {
    test(`"${text}" is refused, with advice for hosts`, () => {
      assert.throws(() => parseHostAddress(text), /is not a host address: .*HOST:PORT/);
    });
  }
});

test('the control channel has the port after that of the disks', () => {
  assert.equal(controlPortOf(CLIENT_PORT), CONTROL_PORT);
  assert.equal(controlPortOf(9000), 9001);
  assert.equal(controlPortOf(0), 0);
  assert.equal(controlPortOf(65_535), 0);
});
