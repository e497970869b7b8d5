import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readGrubConfiguration, readLoaderEntry } from './boot-entry.ts';

const GENERATED = `set default="0"
if [ x$feature_timeout_style = xy ] ; then
  set timeout=5
fi
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-1' {
	load_video
	insmod ext2
	search --no-floppy --fs-uuid --set=root 1234
	echo	'Loading Linux 6.1.0-30-amd64 ...'
	linux	/boot/vmlinuz-6.1.0-30-amd64 root=UUID=1234-5678 ro  quiet console="ttyS0,115200"
	echo	'Loading initial ramdisk ...'
	initrd	/boot/initrd.img-6.1.0-30-amd64
}
submenu 'Advanced options for Debian GNU/Linux' {
	menuentry 'other' {
		linux	/boot/vmlinuz-5 root=UUID=1234-5678 ro single
		initrd	/boot/initrd.img-5
	}
}
`;

test('the first entry of a generated configuration is what starts', () => {
  assert.deepEqual(readGrubConfiguration(GENERATED), {
    kernel: '/boot/vmlinuz-6.1.0-30-amd64',
    initrds: ['/boot/initrd.img-6.1.0-30-amd64'],
    commandLine: 'root=UUID=1234-5678 ro quiet console=ttyS0,115200',
  });
});

test('several initrds, and the commands of older generators', () => {
  const text = 'menuentry x {\nlinuxefi /vmlinuz root=/dev/sda1\ninitrdefi /ucode.img /initrd.img\n}';
  assert.deepEqual(readGrubConfiguration(text), {
    kernel: '/vmlinuz',
    initrds: ['/ucode.img', '/initrd.img'],
    commandLine: 'root=/dev/sda1',
  });
});

test('an entry of the Boot Loader Specification', () => {
  const text =
    'title Fedora\nversion 6.8\nlinux /vmlinuz-6.8\ninitrd /initramfs-6.8.img $tuned_initrd\n' +
    'options root=UUID=1 ro rhgb $tuned_params\n';
  assert.deepEqual(readLoaderEntry(text), {
    kernel: '/vmlinuz-6.8',
    initrds: ['/initramfs-6.8.img'],
    commandLine: 'root=UUID=1 ro rhgb',
  });
});

test('what starts no Linux, or one that is named by variables, is none', () => {
  for (const text of [
    '',
    'menuentry Windows {\nchainloader /EFI/Microsoft/Boot/bootmgfw.efi\n}',
    'menuentry x {\nlinux /vmlinuz root=$root\ninitrd /initrd\n}',
    'menuentry x {\nlinux ($root)/vmlinuz\ninitrd /initrd\n}',
    'menuentry x {\nlinux /vmlinuz\n}',
    'menuentry x {\nlinux /vmlinuz\n}\nmenuentry y {\ninitrd /initrd\n}',
  ]) {
    assert.equal(readGrubConfiguration(text), undefined, text);
  }
  assert.equal(readLoaderEntry('title x\nefi /EFI/x.efi\n'), undefined);
  assert.equal(readLoaderEntry('linux /vmlinuz\noptions $kernelopts\ninitrd /i\n'), undefined);
});
