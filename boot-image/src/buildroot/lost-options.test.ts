import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeLoss, lostOptions, repeatedOptions } from './lost-options.ts';
import { parseOptions } from './options.ts';

const CONFIG = `#
# Automatically generated file; DO NOT EDIT.
#
CONFIG_MODULE=m
CONFIG_BUILT_IN=y
CONFIG_NUMBER=512
CONFIG_TEXT="-diskferry"
CONFIG_EMPTY=""
# CONFIG_OFF is not set
CONFIG_MODULE_LONGER=y
`;

function losses(fragment: string): string[] {
  return lostOptions(parseOptions(fragment, 'f'), CONFIG).map(describeLoss);
}

test('nothing is lost when every option is as wanted', () => {
  const kept = 'CONFIG_MODULE=m\nCONFIG_BUILT_IN=y\nCONFIG_NUMBER=512\nCONFIG_TEXT="-diskferry"\n';
  assert.deepEqual(
    losses(`${kept}CONFIG_EMPTY=""\n# CONFIG_OFF is not set\n# CONFIG_UNKNOWN is not set\n`),
    [],
  );
});

test('an option whose dependencies are not met, or that does not exist, is lost', () => {
  assert.deepEqual(losses('CONFIG_MODULE=m\nCONFIG_OFF=m\nCONFIG_UNKNOWN=y\nCONFIG_MODUL=m\n'), [
    'f:2: CONFIG_OFF was to be m, and is not set',
    'f:3: CONFIG_UNKNOWN was to be y, and is not set',
    'f:4: CONFIG_MODUL was to be m, and is not set',
  ]);
});

test('an option of another value than wanted is lost', () => {
  assert.deepEqual(losses('CONFIG_BUILT_IN=m\nCONFIG_NUMBER=64\nCONFIG_TEXT="x"\nCONFIG_TEXT=""\n'), [
    'f:1: CONFIG_BUILT_IN was to be m, and is y',
    'f:2: CONFIG_NUMBER was to be 64, and is 512',
    'f:3: CONFIG_TEXT was to be "x", and is "-diskferry"',
    'f:4: CONFIG_TEXT was to be "", and is "-diskferry"',
  ]);
});

test('an option that was not to be set and is selected by another is lost', () => {
  assert.deepEqual(losses('# CONFIG_MODULE is not set\n'), [
    'f:1: CONFIG_MODULE was to be not set, and is m',
  ]);
});

test('an option that is wanted twice is found, with other values or the same', () => {
  const wanted = parseOptions(
    'CONFIG_A=y\nCONFIG_B=m\nCONFIG_A=m\nCONFIG_AB=m\n# CONFIG_B is not set\nCONFIG_A=y\n',
    'f',
  );
  const places = repeatedOptions(wanted).map(([first, again]) => `${first.where} ${again.where}`);
  assert.deepEqual(places, ['f:1 f:3', 'f:2 f:5', 'f:1 f:6']);
});
