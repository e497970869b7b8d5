import { mkdir, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@diskferry/system/run';
import type { Workbench } from '../file-systems/test-devices.ts';
import type { FidelityProperty } from './property.ts';
import type { Subject } from './subject.ts';

/** `patch TEXT OFFSET HEX`: writes bytes behind the first place where a text is on the device. */
const PATCH = `patch() { perl -e '
  my ($device, $text, $offset, $hex) = @ARGV;
  open(my $file, "+<:raw", $device) or die "$device: $!";
  my $all = do { local $/; <$file> };
  my $place = index($all, $text);
  die "$text is not on the device" if $place < 0;
  seek($file, $place + $offset, 0);
  print $file pack("H*", $hex);
  close($file) or die "$device: $!";
' "$DEVICE" "$@"; }`;

/** The folder of a property; FAT keeps such a name as it is. */
export function folderOf(index: number): string {
  return `P${String(index + 1).padStart(3, '0')}`;
}

/** Runs the scripts of all these properties on a device, those of the whole volume while it is not mounted. */
export async function runScripts(
  bench: Workbench,
  device: string,
  { mount }: Subject,
  properties: readonly FidelityProperty[],
  which: 'plant' | 'spoil',
): Promise<void> {
  const numbered = properties.map((property, index) => ({ property, name: folderOf(index) }));
  const scratch = await mkdtemp(join(bench.folder, 'scratch-'));
  const onVolume = numbered.filter(({ property }) => property.wholeVolume === true);
  for (const { property } of onVolume) await runScript(property, which, scratch, { DEVICE: device });
  const onFiles = numbered.filter(({ property }) => property.wholeVolume !== true);
  if (onFiles.length === 0) return;
  if (mount === undefined) {
    for (const { property, name } of onFiles) {
      const folder = `::${name}`;
      if (which === 'plant') await run(['mmd', '-i', device, folder]);
      const empty = await mkdtemp(join(scratch, 'property-'));
      await runScript(property, which, empty, { DEVICE: device, FOLDER: folder });
    }
    return;
  }
  const root = await bench.mount(device, mount);
  for (const { property, name } of onFiles) {
    const folder = join(root, name);
    if (which === 'plant') await mkdir(folder);
    await runScript(property, which, folder, { DEVICE: device, FOLDER: folder, ROOT: root });
  }
  await bench.unmount(root);
}

async function runScript(
  property: FidelityProperty,
  which: 'plant' | 'spoil',
  folder: string,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const script = `set -e\n${PATCH}\n${property[which]}`;
  await run(['bash', '-c', script], { cwd: folder, env }).catch((error: unknown) => {
    throw new Error(`to ${which} "${property.name}" failed`, { cause: error });
  });
}
