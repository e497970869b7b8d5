#!/bin/sh
# Makes the Debian system of the source computers and writes it as a tar archive.
# Usage: debian.sh ARCHIVE [MIRROR]; without a mirror, that of mmdebstrap.
# The password of root is "ferry".
set -eu
archive=$1
shift

# What no virtual machine of the tests ever loads: most of a Debian kernel's size.
drivers='sound drivers/gpu drivers/media drivers/net/wireless drivers/infiniband drivers/staging drivers/isdn
drivers/iio drivers/hwmon drivers/input drivers/hid drivers/usb/serial drivers/usb/gadget drivers/bluetooth
drivers/nfc drivers/video drivers/mtd drivers/comedi drivers/accel drivers/platform drivers/leds drivers/power
drivers/mfd drivers/regulator drivers/thunderbolt drivers/crypto drivers/firewire drivers/pcmcia drivers/edac
drivers/target drivers/scsi drivers/net/ethernet drivers/net/can drivers/net/wan drivers/net/usb drivers/net/dsa
drivers/tty drivers/block/drbd net/bluetooth net/wireless net/mac80211 net/sctp net/tipc net/batman-adv net/can
net/ceph net/sunrpc net/rxrpc net/netfilter net/sched net/mac802154 net/openvswitch net/dccp net/rds net/smc
fs/ocfs2 fs/gfs2 fs/ceph fs/nfs fs/nfsd fs/cifs fs/f2fs fs/jfs fs/reiserfs fs/dlm fs/afs
fs/ubifs fs/nilfs2 fs/udf fs/orangefs fs/ksmbd fs/bcachefs'
# The few of them that the tests need after all.
kept='drivers/scsi/sd_mod.ko drivers/scsi/scsi_mod.ko drivers/scsi/scsi_common.ko drivers/scsi/virtio_scsi.ko
drivers/scsi/sr_mod.ko drivers/scsi/sg.ko drivers/scsi/uas.ko drivers/net/ethernet/intel/e1000
drivers/net/ethernet/intel/e1000e drivers/input/serio drivers/input/keyboard drivers/input/evdev.ko'

rules=$(mktemp)
trap 'rm -f "$rules"' EXIT
{
  for path in $drivers; do echo "path-exclude=/lib/modules/*/kernel/$path/*"; done
  for path in $kept; do
    echo "path-include=/lib/modules/*/kernel/$path"
    echo "path-include=/lib/modules/*/kernel/$path/*"
  done
  for path in doc man info locale lintian bug; do echo "path-exclude=/usr/share/$path/*"; done
  echo 'path-include=/usr/share/doc/*/copyright'
} >"$rules"

packages=systemd-sysv,udev,kmod,e2fsprogs,linux-image-amd64,initramfs-tools,zstd,iputils-ping,iproute2
packages=$packages,libcap2-bin,acl,attr,procps,less,perl,openssh-client

# shellcheck disable=SC2016 # "$1" is for the hooks: the folder of the new system
mmdebstrap --variant=minbase --mode=root --include="$packages" \
  --aptopt='Apt::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
  --setup-hook="mkdir -p \"\$1/etc/dpkg/dpkg.cfg.d\" \"\$1/etc/initramfs-tools/conf.d\"
    cp $rules \"\$1/etc/dpkg/dpkg.cfg.d/small\"" \
  --essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d"
    printf "MODULES=list\nCOMPRESS=zstd\n" >"$1/etc/initramfs-tools/conf.d/small"
    for module in ahci ata_piix sd_mod nvme virtio_pci virtio_blk virtio_scsi xhci_pci usb_storage uas ext4; do
      echo "$module"
    done >"$1/etc/initramfs-tools/modules"
    # Loaded only where the root is one of these: the driver of Btrfs measures the processor when it starts.
    hook="$1/etc/initramfs-tools/hooks/root-file-systems"
    mkdir -p "${hook%/*}"
    printf "#!/bin/sh\n[ \"\$1\" = prereqs ] && exit 0\n%s\n%s\n" \
      ". /usr/share/initramfs-tools/hook-functions" "manual_add_modules xfs btrfs" >"$hook"
    chmod +x "$hook"' \
  --customize-hook='echo ferryman >"$1/etc/hostname"
    printf "127.0.0.1 localhost\n127.0.1.1 ferryman\n" >"$1/etc/hosts"
    echo root:ferry | chroot "$1" chpasswd
    # Under software emulation every process that starts costs a tenth of a second and more.
    chroot "$1" systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
      e2scrub_reap.service fstrim.timer systemd-tmpfiles-clean.timer systemd-timesyncd.service getty@tty1.service \
      systemd-logind.service systemd-networkd-wait-online.service systemd-update-utmp.service getty-static.service systemd-pstore.service \
      systemd-update-utmp-runlevel.service systemd-user-sessions.service systemd-fsckd.service systemd-fsckd.socket \
      systemd-fsck-root.service systemd-sysusers.service systemd-machine-id-commit.service kmod-static-nodes.service \
      modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service modprobe@efi_pstore.service \
      modprobe@fuse.service modprobe@loop.service dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount \
      sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount
    # Flushing the journal to the disk is the slowest step of such a start.
    mkdir -p "$1/etc/systemd/journald.conf.d"
    printf "[Journal]\nStorage=volatile\n" >"$1/etc/systemd/journald.conf.d/volatile.conf"
    # Drivers that the processor and the chipset of the virtual machine would call for, and nobody uses.
    for module in aesni_intel ghash_clmulni_intel sha512_ssse3 crct10dif_pclmul crc32_pclmul polyval_clmulni \
      i2c_i801 iTCO_wdt lpc_ich joydev evdev pcspkr sg bochs psmouse intel_rapl_msr qemu_fw_cfg button; do
      echo "blacklist $module"
    done >"$1/etc/modprobe.d/fast-start.conf"
    chroot "$1" systemctl enable serial-getty@ttyS0.service
    rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/*' \
  --format=tar bookworm "$archive" "$@"
