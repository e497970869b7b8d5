/**
 * Words of the kernel's command line with which every medium starts. Screen and serial line both are consoles; quiet, because
 * kernel messages would run through the client's text; as ramfs the first root file system may take more than half of the
 * memory, which 192 MB need.
 */
export const KERNEL_WORDS = 'quiet loglevel=3 rootfstype=ramfs console=tty0 console=ttyS0,115200';
