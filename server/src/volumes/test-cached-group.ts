/**
 * What LVM 2.03.16 wrote of a group in which `data` is cached by a volume, and `data2` by a pool of two volumes. Extents of
 * 4 MiB, blocks of 64 KiB in both caches.
 */
export const CACHED_GROUP = `
contents = "Text Format Volume Group"
version = 1
description = "Write from lvconvert --type cache --cachepool pool --cachemode writeback --chunksize 64k store/data2."
creation_host = "(none)"	# Linux (none) 6.1.0-56-amd64 #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16) x86_64
creation_time = 1795389368	# Sun Nov 22 23:16:08 2026

store {
id = "Jojyf8-E5W1-As9B-y0Pr-oJDO-bzLU-XiBuyn"
seqno = 9
format = "lvm2"
status = ["RESIZEABLE", "READ", "WRITE"]
flags = []
extent_size = 8192
max_lv = 0
max_pv = 0
metadata_copies = 0

physical_volumes {

pv0 {
id = "72NJ4D-H1TT-LQ8H-r2I4-ns5I-d9U1-GT60jM"
device = "/dev/loop0"

status = ["ALLOCATABLE"]
flags = []
dev_size = 614400
pe_start = 2048
pe_count = 74
}
}

logical_volumes {

data {
id = "nTUnig-bSG2-UsHA-dpsP-D8Jo-FsfQ-eOrgKX"
status = ["READ", "WRITE", "VISIBLE"]
flags = []
tags = ["keep"]
creation_time = 1795389356
creation_host = "(none)"
segment_count = 1

segment1 {
start_extent = 0
extent_count = 15

type = "cache+CACHE_USES_CACHEVOL"
cache_pool = "fast_cvol"
origin = "data_corig"
metadata_format = 2
chunk_size = 128
cache_mode = "writeback"
policy = "smq"
metadata_start = 0
metadata_len = 16384
data_start = 16384
data_len = 24576
}
}

data2 {
id = "2Jvb30-lcnl-Yucq-S7Xo-oQnW-jSjs-NfKuYD"
status = ["READ", "WRITE", "VISIBLE"]
flags = []
creation_time = 1795389362
creation_host = "(none)"
segment_count = 1

segment1 {
start_extent = 0
extent_count = 10

type = "cache"
cache_pool = "pool_cpool"
origin = "data2_corig"
}
}

pool_cpool {
id = "WGMnLl-Yemp-62Rc-q2PD-wHH7-h5Pk-XsWvQH"
status = ["READ", "WRITE"]
flags = []
creation_time = 1795389365
creation_host = "(none)"
segment_count = 1

segment1 {
start_extent = 0
extent_count = 4

type = "cache-pool+METADATA_FORMAT"
data = "pool_cpool_cdata"
metadata = "pool_cpool_cmeta"
metadata_format = 2
chunk_size = 128
cache_mode = "writeback"
policy = "smq"
}
}

fast_cvol {
id = "f1eBLL-FEA9-7qom-pdfc-VoPl-Y3pT-wYBdor"
status = ["READ", "WRITE"]
flags = ["CACHE_VOL"]
creation_time = 1795389358
creation_host = "(none)"
segment_count = 1

segment1 {
start_extent = 0
extent_count = 5

type = "striped"
stripe_count = 1

stripes = [
"pv0", 15
]
}
}

data_corig {
id = "MgAK02-XNoS-waA6-FK6r-dZqe-InVL-WjYGQA"
status = ["READ", "WRITE"]
flags = []
creation_time = 1795389359
creation_host = "(none)"
segment_count = 1

segment1 {
start_extent = 0
extent_count = 15

type = "striped"
stripe_count = 1

stripes = [
"pv0", 0
]
}
}

lvol0_pmspare {
id = "adFoZK-T9lj-Zv9I-FqCO-2O7i-ceZp-gcWgAg"
status = ["READ", "WRITE"]
flags = []
creation_time = 1795389364
creation_host = "(none)"
segment_count = 1

segment1 {
start_extent = 0
extent_count = 2

type = "striped"
stripe_count = 1

stripes = [
"pv0", 30
]
}
}

pool_cpool_cmeta {
id = "KwnSjc-qhnV-Xmwt-Q9vQ-ee1y-uUwU-CU4gAq"
status = ["READ", "WRITE"]
flags = []
creation_time = 1795389365
creation_host = "(none)"
segment_count = 1

segment1 {
start_extent = 0
extent_count = 2

type = "striped"
stripe_count = 1

stripes = [
"pv0", 32
]
}
}

pool_cpool_cdata {
id = "k2qi9u-L3LQ-cyAZ-ij9q-UdF2-m5zg-R5oKGT"
status = ["READ", "WRITE"]
flags = []
creation_time = 1795389365
creation_host = "(none)"
segment_count = 1

segment1 {
start_extent = 0
extent_count = 4

type = "striped"
stripe_count = 1

stripes = [
"pv0", 34
]
}
}

data2_corig {
id = "z3xpvk-wQv0-ddRd-umzN-Vizh-Rx6W-1bd5ew"
status = ["READ", "WRITE"]
flags = []
creation_time = 1795389367
creation_host = "(none)"
segment_count = 1

segment1 {
start_extent = 0
extent_count = 10

type = "striped"
stripe_count = 1

stripes = [
"pv0", 20
]
}
}
}

}
`;

/** A block of a cache, as `cache_restore` takes it. */
export interface Mapping {
  readonly originBlock: number;
  readonly cacheBlock: number;
  readonly dirty: boolean;
}

/** The metadata of a cache with blocks of 64 KiB, as the XML of thin-provisioning-tools. */
export function cacheXml(cacheBlocks: number, mappings: readonly Mapping[]): string {
  const lines = mappings.map(
    ({ originBlock, cacheBlock, dirty }) =>
      `<mapping cache_block="${cacheBlock}" origin_block="${originBlock}" dirty="${dirty}"/>`,
  );
  return `<superblock uuid="" block_size="128" nr_cache_blocks="${cacheBlocks}" policy="smq" hint_width="4"><mappings>${lines.join('\n')}</mappings><hints></hints></superblock>`;
}
