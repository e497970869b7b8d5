import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { linkedFiles } from './boot-files.ts';

test('links are followed as in a root of its own, and never lead out of it', async (context) => {
  const outside = mkdtempSync(join(tmpdir(), 'diskferry-boot-files-'));
  context.after(() => rmSync(outside, { recursive: true }));
  const root = join(outside, 'root');
  mkdirSync(join(root, 'boot/grub'), { recursive: true });
  writeFileSync(join(outside, 'secret'), 'not of that computer');
  writeFileSync(join(root, 'boot/vmlinuz-6'), 'kernel');
  const link = (target: string, name: string): void => symlinkSync(target, join(root, name));
  link('boot/vmlinuz-6', 'vmlinuz');
  link('/boot/vmlinuz-6', 'absolute');
  link('boot', 'folder');
  link('../../../../vmlinuz', 'boot/grub/up');
  link('../secret', 'out');
  link(join(outside, 'secret'), 'far');
  link('loop', 'loop');
  link('gone', 'dangling');
  const files = linkedFiles(root);
  for (const path of ['/vmlinuz', '/absolute', '/folder/vmlinuz-6', '/boot/grub/up', '//boot/./vmlinuz-6']) {
    assert.equal((await files.read(path))?.toString(), 'kernel', path);
  }
  for (const path of ['/out', '/far', '/loop', '/dangling', '/boot', '/../secret', '/none/x']) {
    assert.equal(await files.read(path), undefined, path);
  }
  assert.deepEqual(await files.list('/folder'), ['grub', 'vmlinuz-6']);
  assert.deepEqual(await files.list('/none'), []);
});
