import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chooseDrivers, extraDrivers, leftOut } from './choose-drivers.ts';
import { parseDriverList } from './driver-list.ts';
import { parseModuleIndex } from './module-index.ts';
import { readDriverLists } from './read-driver-lists.ts';
import { firmwareNames } from './wanted-firmware.ts';

const DEP = `kernel/drivers/ata/ahci.ko: kernel/drivers/ata/libahci.ko kernel/drivers/ata/libata.ko
kernel/drivers/ata/libahci.ko: kernel/drivers/ata/libata.ko
kernel/drivers/ata/libata.ko: kernel/drivers/scsi/scsi_mod.ko
kernel/drivers/scsi/scsi_mod.ko:
kernel/drivers/scsi/lpfc/lpfc.ko: kernel/drivers/scsi/scsi_mod.ko
kernel/drivers/net/ethernet/realtek/r8169.ko:
kernel/drivers/net/phy/realtek.ko:
kernel/drivers/usb/host/xhci-pci.ko:
kernel/sound/core/snd.ko:
`;
const SOFTDEP = 'softdep r8169 pre: realtek\nsoftdep ext4 pre: crypto-crc32c\n# comment\n';
const index = parseModuleIndex(DEP, SOFTDEP);

test('a list has drivers, folders, comments and empty lines', () => {
  assert.deepEqual(parseDriverList('# all\n\ne1000e  # Intel\ndrivers/ata/*\n', 'a.list'), [
    { kind: 'driver', name: 'e1000e', where: 'a.list:3' },
    { kind: 'folder', folder: 'drivers/ata', where: 'a.list:4' },
  ]);
});

test('a line that is no driver name is refused with its place', () => {
  for (const bad of ['two words', 'a.ko', '../*', 'drivers/ata/', '/*', 'x*']) {
    assert.throws(() => parseDriverList(`ok\n${bad}\n`, 'a.list'), /a\.list:2: /, bad);
  }
});

test('a driver brings its dependencies of any depth', () => {
  assert.deepEqual(chooseDrivers(parseDriverList('ahci', 'a'), index), [
    'kernel/drivers/ata/ahci.ko',
    'kernel/drivers/ata/libahci.ko',
    'kernel/drivers/ata/libata.ko',
    'kernel/drivers/scsi/scsi_mod.ko',
  ]);
});

test('a soft dependency counts when it is a module', () => {
  assert.deepEqual(chooseDrivers(parseDriverList('r8169', 'a'), index), [
    'kernel/drivers/net/ethernet/realtek/r8169.ko',
    'kernel/drivers/net/phy/realtek.ko',
  ]);
});

test('dash and underscore are the same in a driver name', () => {
  assert.deepEqual(chooseDrivers(parseDriverList('xhci_pci', 'a'), index), [
    'kernel/drivers/usb/host/xhci-pci.ko',
  ]);
});

test('a folder means its subfolders too and nothing beside it', () => {
  assert.deepEqual(chooseDrivers(parseDriverList('drivers/scsi/*', 'a'), index), [
    'kernel/drivers/scsi/lpfc/lpfc.ko',
    'kernel/drivers/scsi/scsi_mod.ko',
  ]);
  assert.throws(() => chooseDrivers(parseDriverList('drivers/scs/*', 'a'), index), /drivers\/scs\/\*/);
});

test('every absent driver is named with its place', () => {
  assert.throws(() => chooseDrivers(parseDriverList('ahci\nnope\nnone', 'a'), index), /a:2: nope\na:3: none/);
});

test('circular dependencies end', () => {
  const circle = parseModuleIndex('kernel/a.ko: kernel/b.ko\nkernel/b.ko: kernel/a.ko\n', '');
  assert.deepEqual(chooseDrivers(parseDriverList('a', 'l'), circle), ['kernel/a.ko', 'kernel/b.ko']);
});

test('what is left out is told for storage and network only', () => {
  const chosen = chooseDrivers(parseDriverList('ahci', 'a'), index);
  assert.deepEqual(leftOut(chosen, index), [
    'kernel/drivers/net/ethernet/realtek/r8169.ko',
    'kernel/drivers/scsi/lpfc/lpfc.ko',
  ]);
});

test('the extra drivers are what is left out, with what it needs and the image has not', () => {
  const chosen = chooseDrivers(parseDriverList('ahci', 'a'), index);
  assert.deepEqual(extraDrivers(chosen, index), [
    'kernel/drivers/net/ethernet/realtek/r8169.ko',
    'kernel/drivers/net/phy/realtek.ko',
    'kernel/drivers/scsi/lpfc/lpfc.ko',
  ]);
});

test('the lists of the repository can be read and name no driver twice', async () => {
  const entries = await readDriverLists(fileURLToPath(new URL('../../drivers', import.meta.url)));
  const names = entries.map((entry) => (entry.kind === 'driver' ? entry.name : entry.folder));
  assert.deepEqual(
    names.filter((name, i) => names.indexOf(name) !== i),
    [],
  );
  for (const needed of ['squashfs', 'loop', 'overlay', 'nvme', 'virtio_net'])
    assert.ok(names.includes(needed));
});

test('firmware names are read from a module', () => {
  const module = Buffer.from('ELF\0license=GPL\0firmware=bnx2/a.fw\0firmware=bnx2/b.fw\0alias=pci:x\0');
  assert.deepEqual(firmwareNames(module), ['bnx2/a.fw', 'bnx2/b.fw']);
  assert.deepEqual(firmwareNames(Buffer.from('ELF\0license=GPL\0')), []);
});
