# Runs in a guest with Debian's kernel, as process 1, with the host's root at /mnt (9p, read-only) as its tools.
# The words after the script's name are the command.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
modprobe -a 9pnet_virtio 9p overlay nbd loop dm_crypt dm_thin_pool dm_cache_smq dm_snapshot raid1
mount -t tmpfs tmpfs /run
mkdir -p /run/host /run/changes /run/work /run/root
mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=524288,cache=loose host /run/host
mount -t overlay -o lowerdir=/run/host,upperdir=/run/changes,workdir=/run/work overlay /run/root
mount -t devtmpfs dev /run/root/dev
mount -t proc proc /run/root/proc
mount -t sysfs sys /run/root/sys
mount -t tmpfs tmpfs /run/root/run
ip link set lo up
# Messages of the kernel would run through the words of the command that are waited for; errors still come.
echo 4 >/proc/sys/kernel/printk
chroot /run/root "$@"
code=$?
[ "$code" = 0 ] || dmesg | tail -n 80
echo "guest command ended with exit code $code"
sleep 1
echo o >/proc/sysrq-trigger
sleep 60
