/**
 * Threads that wait for disks; what lies in memory is answered without them. Four, libuv's default, keep an SSD idle
 * that answers dozens of requests at once; each thread costs some 100 KB of memory.
 */
const POOL_THREADS = 16;

// libuv reads this when the pool is first used, so this module is imported before all others.
process.env['UV_THREADPOOL_SIZE'] ??= String(POOL_THREADS);
