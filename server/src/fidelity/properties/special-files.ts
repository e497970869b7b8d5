import { type FidelityProperty, LINUX } from '../property.ts';

export const SPECIAL_FILES: readonly FidelityProperty[] = [
  {
    name: 'a fifo',
    on: LINUX,
    plant: 'mkfifo fifo',
    spoil: 'rm fifo; touch fifo',
    reported: 'type',
  },
  {
    name: 'a socket',
    on: LINUX,
    plant: `perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "socket", Listen => 1) or die'`,
    spoil: 'rm socket',
    reported: 'existence',
  },
  {
    name: 'a character device',
    on: LINUX,
    plant: 'mknod -m 666 null c 1 3',
    spoil: 'rm null; mknod -m 666 null c 1 5',
    reported: 'device number',
  },
  {
    name: 'a block device with large numbers',
    on: LINUX,
    plant: 'mknod device b 511 262143',
    spoil: 'rm device; mknod device b 511 262142',
    reported: 'device number',
  },
  {
    name: 'the device 0, 0 that stands for a deleted file of an overlay',
    on: LINUX,
    plant: 'mknod whiteout c 0 0',
    spoil: 'rm whiteout; mknod whiteout c 0 1',
    reported: 'device number',
  },
];
