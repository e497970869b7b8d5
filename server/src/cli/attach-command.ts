import { formatBytes } from '@diskferry/system/units';
import { type AttachedDisk, attachFolder } from '../attach/attach-folder.ts';
import { diskSourceOf } from '../attach/disk-source.ts';
import { requireRoot } from '../refused-error.ts';
import { type CliCommand, type Invocation, JSON_OPTION, secondsOption, TIMEOUT_OPTION } from './command.ts';
import { CONNECTION_OPTIONS, connectionToDisk } from './connection-options.ts';
import { DRIVER_OPTION, driverOption } from './driver-option.ts';
import { formatTable, print, printJson, printNote } from './output.ts';
import { RECONNECT_OPTION, reconnectOption } from './reconnect-option.ts';

export const attachCommand: CliCommand = {
  name: 'attach',
  operands: ['ADDRESS|IMAGE', 'FOLDER'],
  summary: 'attach a disk and mount its partitions under a folder',
  details:
    'The files are read-only without --write. Changes that a file system must make when it is mounted go to a\n' +
    'layer on this server that is thrown away by "diskferry detach FOLDER". With --write the image or the disk itself\n' +
    'is changed; the screen of that computer says so until the disk is detached.',
  options: [
    { name: 'write', help: 'mount read-write and write to the image or disk itself' },
    JSON_OPTION,
    TIMEOUT_OPTION,
    RECONNECT_OPTION,
    ...CONNECTION_OPTIONS,
    DRIVER_OPTION,
  ],
  run: runAttach,
};

async function runAttach(invocation: Invocation): Promise<number> {
  const [text, folder] = invocation.positionals as [string, string];
  // Before a code is used up.
  requireRoot('attaching a disk');
  const chosen = await diskSourceOf(text);
  const write = invocation.flags.has('write');
  const source = chosen.kind === 'remote' ? await connectionToDisk(chosen, invocation) : chosen;
  const requestTimeoutMs = secondsOption(invocation, 'timeout');
  const reconnectLimitMs = reconnectOption(invocation);
  const attached = await attachFolder(source, folder, {
    mode: write ? 'write' : 'copy-on-write',
    driver: driverOption(invocation),
    signal: invocation.signal,
    onNotice: printNote,
    ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }),
    ...(reconnectLimitMs === undefined ? {} : { reconnectLimitMs }),
  });
  if (invocation.flags.has('json')) printJson(attached);
  else show(attached);
  return 0;
}

function show({ folder, device, size, partitions }: AttachedDisk): void {
  print(`${formatBytes(size)} attached as ${device}`);
  const rows = partitions.map(({ number, size, type, label, mountedAt, note, device }) => [
    number === 0 ? 'whole disk' : `partition ${number}`,
    device,
    formatBytes(size),
    type,
    label ?? '',
    mountedAt ?? `not mounted: ${note}`,
  ]);
  if (rows.length > 0) print(formatTable(rows, [2]));
  print(`give it back: diskferry detach ${folder}`);
}
