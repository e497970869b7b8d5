#!/bin/sh
# Called by Buildroot with the root file system as $1, before it is packed: leaves in it what the start-up scripts know.
set -eu

target=$1
board=$(dirname "$0")

# Buildroot strips executables and changes their library paths; an imaging client so treated would lose its program.
if ! cmp -s "$board/../../../dist/imaging-client" "$target/usr/bin/imaging-client"; then
  echo "post-build: $target/usr/bin/imaging-client is not the one that \"npm run client\" made" >&2
  exit 1
fi

# Addresses and names are the business of the start-up scripts; the skeleton's link leads to where nothing is.
rm -f "$target/etc/resolv.conf"
rm -rf "$target/usr/share/udhcpc" "$target/etc/init.d" "$target/etc/network"
mkdir -p "$target/var/log"
