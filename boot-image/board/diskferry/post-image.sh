#!/bin/sh
# Called by Buildroot with the folder of images as $1, when the root file system is packed: makes the boot media of it, with
# the programs that make those of Debian's parts.
set -eu

boot_image=$(cd "$(dirname "$0")/../.." && pwd)
exec "$boot_image/../node_modules/.bin/node" "$boot_image/src/buildroot/build.ts" --post-image "$1" --work "$BASE_DIR"
