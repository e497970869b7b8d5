import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requireTools } from './tools.ts';

test('all missing tools are named at once, each package once', () => {
  assert.throws(
    () => requireTools('/nonexistent'),
    (error: Error) =>
      error.message.includes('xorriso') &&
      error.message.endsWith(' apt kmod dpkg grub-common mtools squashfs-tools xorriso'),
  );
});
