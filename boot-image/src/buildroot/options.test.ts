import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseOptions } from './options.ts';

test('a fragment has values, options that are not to be set, comments and empty lines', () => {
  const text = '# disks\n\nCONFIG_ATA=m\nCONFIG_NR_CPUS=512\n# CONFIG_WLAN is not set\nBR2_A="a $(B)/c"\n';
  assert.deepEqual(parseOptions(text, 'a.fragment'), [
    { name: 'CONFIG_ATA', value: 'm', where: 'a.fragment:3' },
    { name: 'CONFIG_NR_CPUS', value: '512', where: 'a.fragment:4' },
    { name: 'CONFIG_WLAN', value: undefined, where: 'a.fragment:5' },
    { name: 'BR2_A', value: '"a $(B)/c"', where: 'a.fragment:6' },
  ]);
});

test('a line that kconfig would silently take for something else is refused with its place', () => {
  for (const bad of [
    'CONFIG_A = y',
    'CONFIG_A=y # why',
    'CONFIG_A=yes',
    'CONFIG_A="open',
    'ATA=m',
    '#CONFIG_A is not set',
    '# CONFIG_A is not set, because',
    'CONFIG_A is not set',
    ' CONFIG_A=y',
    'CONFIG_A=',
  ]) {
    assert.throws(() => parseOptions(`CONFIG_B=y\n${bad}\n`, 'a'), /a:2: /, bad);
  }
});
