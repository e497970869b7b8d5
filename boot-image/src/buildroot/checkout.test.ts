import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { UsageError } from '@diskferry/system/errors';
import { isSupported, openCheckout } from './checkout.ts';

test('point releases and candidates of a supported series are supported, other series are not', () => {
  for (const version of ['2026.05', '2026.05.1', '2026.02.3', '2026.08-rc1', '2026.08-git']) {
    assert.ok(isSupported(version), version);
  }
  for (const version of ['2025.11', '2026.11', '2026.050', '2026.0', '2026', '']) {
    assert.ok(!isSupported(version), version);
  }
});

test('a folder that is no Buildroot, or one of another series, is refused before anything is done', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'diskferry-checkout-'));
  try {
    const refused = (words: RegExp) => (error: unknown) =>
      error instanceof UsageError && words.test(error.message);
    await assert.rejects(openCheckout(join(folder, 'none')), refused(/no Buildroot checkout/));
    await assert.rejects(openCheckout(folder), refused(/no Buildroot checkout/));
    await writeFile(join(folder, 'Makefile'), 'all:\n\nexport BR2_VERSION := 2019.02.1\n');
    await assert.rejects(openCheckout(folder), refused(/is Buildroot 2019\.02\.1; .* 2026\.05/));
    await writeFile(join(folder, 'Makefile'), 'all:\n\nexport BR2_VERSION := 2026.05.1\n# end\n');
    assert.deepEqual(await openCheckout(folder), { path: folder, version: '2026.05.1' });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
