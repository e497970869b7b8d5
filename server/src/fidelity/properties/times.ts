import { type FidelityProperty, LINUX, type SubjectName } from '../property.ts';

/** With fields of more than 32 bits for seconds, in the form in which the suite makes them. */
const WIDE_TIMES = ['ext2', 'ext3', 'ext4', 'XFS', 'Btrfs'] as const satisfies readonly SubjectName[];

export const TIMES: readonly FidelityProperty[] = [
  {
    name: 'time of change of contents, to the nanosecond',
    on: LINUX,
    plant: "touch file; touch -m -d '2001-02-03 04:05:06.123456789' file",
    spoil: "touch -m -d '2001-02-03 04:05:06.123456788' file",
    reported: 'modification time',
  },
  {
    name: 'time of access, to the nanosecond',
    on: LINUX,
    plant: "echo text > file; touch -a -d '2002-02-03 04:05:06.987654321' file",
    spoil: "touch -a -d '2002-02-03 04:05:06.987654320' file",
    reported: 'access time',
  },
  {
    name: 'times before 1970',
    on: LINUX,
    plant: "touch file; touch -d '1901-12-14 00:00:00.5' file",
    spoil: "touch -d '1969-12-31 23:59:59.5' file",
    reported: 'modification time',
  },
  {
    name: 'the time 0',
    on: LINUX,
    plant: 'touch -d @0 file',
    spoil: 'touch -d @1 file',
    reported: 'modification time',
  },
  {
    name: 'times after 2038',
    on: LINUX,
    plant: "touch -d '2038-01-19 03:14:08.000000001' file",
    spoil: "touch -d '2038-01-19 03:14:07' file",
    reported: 'modification time',
  },
  {
    name: 'times after 2106',
    on: WIDE_TIMES,
    plant: "touch -d '2200-01-01 12:00:00.25' file",
    spoil: "touch -d '2063-11-25 05:31:44.25' file",
    reported: 'modification time',
  },
  {
    name: 'times of folders with contents',
    on: LINUX,
    plant:
      "mkdir -p folder/inside; touch folder/inside/file; touch -d '1999-09-09 09:09:09.9' folder/inside folder",
    spoil: 'touch -d @99 folder/inside',
    reported: 'modification time',
  },
  {
    name: 'times of symbolic links',
    on: LINUX,
    plant: "ln -s target link; touch -h -d '1999-09-09 09:09:09.9' link",
    spoil: 'touch -h -d @99 link',
    reported: 'modification time',
  },
  {
    name: 'times of fifos and devices',
    on: LINUX,
    plant: "mkfifo fifo; mknod node b 7 7; touch -d '1999-09-09 09:09:09.9' fifo node",
    spoil: 'touch -d @99 node',
    reported: 'modification time',
  },
  {
    name: 'time of creation',
    on: ['Btrfs'],
    plant: 'touch file',
    spoil: 'cp -p file new; mv new file',
    reported: 'creation time',
  },
];
