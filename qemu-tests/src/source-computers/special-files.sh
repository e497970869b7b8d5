# Files of every kind in /srv/ferry: what a file copy can lose. Runs inside the new system (chroot), as root.
set -eu
umask 022
mkdir -p /srv/ferry
cd /srv/ferry

mkdir links links/other
echo 'one content, three names' >links/first
ln links/first links/second
ln links/first links/other/third
ln -s first links/relative
ln -s /etc/hostname links/absolute
ln -s nowhere/at/all links/dangling
# Longer than the 59 bytes that fit into an inode.
ln -s "$(printf '%0200d' 0)" links/long
mkfifo links/fifo-a && ln links/fifo-a links/fifo-b

mkdir sizes
: >sizes/empty
printf x >sizes/one-byte
truncate -s 1G sizes/only-hole
for at in 0 300 900; do
  head -c 100000 /usr/bin/perl | dd of=sizes/sparse bs=1M seek=$at conv=notrunc status=none
done
truncate -s 1G sizes/sparse
head -c 3000000 /dev/zero >sizes/written-zeros

mkdir attributes attributes/folder
echo 'user' >attributes/user && setfattr -n user.ferry -v 'a value' attributes/user
setfattr -n user.empty attributes/user
echo 'trusted' >attributes/trusted && setfattr -n trusted.ferry -v 0x00ff00 attributes/trusted
echo 'many' >attributes/many
# More than fits beside the inode: goes to a block of its own.
for number in 1 2 3 4 5; do setfattr -n user.number$number -v "$(printf '%0500d' $number)" attributes/many; done
setfattr -n user.ferry -v 'of a folder' attributes/folder
ln -s user attributes/link && setfattr -h -n trusted.ferry -v 'of a link' attributes/link
echo 'acl' >attributes/acl && setfacl -m u:daemon:rw,g:12345:r attributes/acl
setfacl -m d:u:daemon:rwx,u:daemon:rx attributes/folder
cp /usr/bin/true attributes/capable && setcap cap_net_raw,cap_net_admin+ep attributes/capable

mkdir kinds
mknod kinds/null c 1 3
mknod kinds/disk b 8 17
mknod kinds/big-number c 300 70000
mkfifo kinds/fifo && chmod 640 kinds/fifo
perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "kinds/socket", Listen => 1) or die'

mkdir modes
for mode in 0000 0400 1777 2755 4755 6711 7777; do echo $mode >modes/$mode; chmod $mode modes/$mode; done
echo 'strange owner' >modes/owner && chown 4000000000:70000 modes/owner
cp /usr/bin/true modes/setuid-owner && chown daemon:mail modes/setuid-owner && chmod 6755 modes/setuid-owner
ln -s owner modes/owned-link && chown -h 1234:5678 modes/owned-link

mkdir names
: >names/-rf
: >'names/ two  blanks '
: >"names/$(printf 'new\nline')"
: >"names/$(printf 'not\377utf8\200')"
: >"names/$(printf '\001\033[31mcontrol')"
: >'names/back\slash"quotes'"'"'$HOME`id`*?[a]'
: >names/Fähre-渡船-⛴
: >names/.hidden
: >names/case && : >names/CASE
: >"names/$(printf '%0255d' 0)"

mkdir many
number=0
while [ $number -lt 2000 ]; do echo $number >many/a-file-with-a-number-$number; number=$((number + 1)); done
mkdir -p "deep/$(printf 'level/%.0s' $(seq 1 60))" && echo bottom >"deep/$(printf 'level/%.0s' $(seq 1 60))bottom"

mkdir times times/folder
touch -d '1969-12-31 23:59:59.123456789Z' times/before-1970
touch -d '2038-01-19 03:14:08.987654321Z' times/after-2038
touch -d '2100-02-28 12:00:00.000000001Z' times/next-century
touch -d '2001-09-09 01:46:40.5Z' times/folder
ln -s nowhere times/link && touch -h -d '1999-12-31 23:59:59.999999999Z' times/link
