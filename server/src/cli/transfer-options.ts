import { IMAGE_FORMATS, type ImageFormat } from '@diskferry/server-adapter/simulated-disk';
import { UsageError } from '@diskferry/system/errors';
import { parseBytes } from '@diskferry/system/units';
import { extname } from 'node:path';
import type { WantedSize } from '../layout/layout-request.ts';
import { type Mode, MODES, type TransferWishes } from '../transfer/wishes.ts';
import { type CliOption, choiceOption, type Invocation, JSON_OPTION, TIMEOUT_OPTION } from './command.ts';
import { CONNECTION_OPTIONS } from './connection-options.ts';
import { DRIVER_OPTION } from './driver-option.ts';
import { PASSPHRASE_OPTION, passphraseOption } from './passphrase-option.ts';
import { PROGRESS_OPTION } from './progress-option.ts';
import { RECONNECT_OPTION } from './reconnect-option.ts';

export const FORMAT_OF_ENDING: Readonly<Record<string, ImageFormat>> = {
  '.img': 'raw',
  '.raw': 'raw',
  '.vmdk': 'vmdk',
  '.vhdx': 'vhdx',
  '.vdi': 'vdi',
};
const SIZE_WORDS = ['min', 'grow', 'keep'] as const;

/** What all of capture, deploy and convert take. */
export const TRANSFER_OPTIONS: readonly CliOption[] = [
  {
    name: 'partition',
    value: 'N=SIZE',
    multiple: true,
    help: 'size of partition N: 30G, min (what it needs), grow (all that is left), keep; may be repeated',
  },
  {
    name: 'mode',
    value: 'MODE',
    multiple: true,
    help: 'files (default), blocks (used blocks at their places), sectors; N=MODE for partition N; may be repeated',
  },
  { name: 'gpt', help: 'make a GPT of an MBR' },
  PASSPHRASE_OPTION,
  { name: 'verify', help: 'read the result again and compare every file and attribute with the source' },
  { name: 'boot-proof', help: 'boot the result in QEMU on a redo log and wait for a login prompt' },
  { name: 'dry-run', help: 'show what would be done, write nothing' },
  JSON_OPTION,
  PROGRESS_OPTION,
  TIMEOUT_OPTION,
  RECONNECT_OPTION,
  ...CONNECTION_OPTIONS,
  DRIVER_OPTION,
];

/** What commands that make an image take besides. */
export const NEW_IMAGE_OPTIONS: readonly CliOption[] = [
  {
    name: 'format',
    value: 'NAME',
    help: `${IMAGE_FORMATS.join(', ')}; by default what the name ends in, else qcow2`,
  },
  {
    name: 'size',
    value: 'SIZE',
    help: 'of the image, such as 30G (GiB), 30GB or bytes; default: that of the source',
  },
  { name: 'sector-size', value: 'BYTES', help: '512 or 4096; default: that of the source' },
];

/**
 * Reads the options above.
 *
 * @throws {UsageError}
 */
export function wishesOf(invocation: Invocation): TransferWishes {
  const { flags, lists } = invocation;
  const sectorSize = choiceOption(invocation, 'sector-size', ['512', '4096']);
  const modes = (lists.get('mode') ?? []).map(readMode);
  return {
    sizeBytes: sizeOption(invocation),
    sectorBytes: sectorSize === undefined ? undefined : sectorSize === '512' ? 512 : 4096,
    mode: modes.findLast(({ partition }) => partition === undefined)?.mode,
    modes: new Map(
      modes.flatMap(({ partition, mode }) => (partition === undefined ? [] : [[partition, mode] as const])),
    ),
    sizes: new Map((lists.get('partition') ?? []).map(readPartitionSize)),
    toGpt: flags.has('gpt'),
    passphrase: passphraseOption(invocation),
  };
}

/** The format of a new image: what was asked for, else what its name says. */
export function formatOf(path: string, invocation: Invocation): ImageFormat {
  return choiceOption(invocation, 'format', IMAGE_FORMATS) ?? FORMAT_OF_ENDING[extname(path)] ?? 'qcow2';
}

function sizeOption({ values }: Invocation): number | undefined {
  const text = values.get('size');
  if (text === undefined) return undefined;
  const bytes = parseBytes(text);
  if (bytes === undefined)
    throw new UsageError(`--size takes a size such as 30G, 30GB or 32212254720, not "${text}"`);
  return bytes;
}

function readMode(text: string): { partition: number | undefined; mode: Mode } {
  const match = /^(?:(\d+)=)?(\w+)$/.exec(text);
  const mode = MODES.find((name) => name === match?.[2]);
  if (mode === undefined) {
    throw new UsageError(`--mode takes ${MODES.join(', ')}, or N=MODE for partition N, not "${text}"`);
  }
  return { partition: match?.[1] === undefined ? undefined : Number(match[1]), mode };
}

function readPartitionSize(text: string): [number, WantedSize] {
  const match = /^(\d+)=(.+)$/.exec(text);
  const word = SIZE_WORDS.find((name) => name === match?.[2]);
  const size = word ?? parseBytes(match?.[2] ?? '');
  if (match === null || size === undefined) {
    throw new UsageError(`--partition takes N=SIZE, such as 2=30G, 2=min, 2=grow or 2=keep, not "${text}"`);
  }
  return [Number(match[1]), size];
}
