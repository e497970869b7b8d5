import { existsSync } from 'node:fs';
import { IMAGE_FORMATS } from '@diskferry/server-adapter/simulated-disk';
import { UsageError } from '@diskferry/system/errors';
import type { ApiClient } from '../api-client/api-client.ts';
import type { ApiJob } from '../api/routes/jobs.ts';
import { AFTERWARDS } from '../jobs/afterwards.ts';
import { RefusedError } from '../refused-error.ts';
import { askYes, canAsk } from './ask-yes.ts';
import { type CliOption, choiceOption, type Invocation, secondsOption } from './command.ts';
import type { ComputerWord } from './job-operands.ts';
import { printNote } from './output.ts';
import { findClient, openClient, SERVER_OPTION } from './server-option.ts';
import { wishesOf } from './transfer-options.ts';
import { afterStart, DETACH_OPTION, tellEnd, watchJob } from './watch-job.ts';

const ALONE_OPTION: CliOption = {
  name: 'alone',
  help: 'this machine does it itself, with files and hosts, though a server is configured',
};
const LOCATION_OPTION: CliOption = {
  name: 'location',
  value: 'NAME',
  help: 'server: the location that gets the image (default: the only one)',
};
const AFTERWARDS_OPTION: CliOption = {
  name: 'afterwards',
  value: 'WHAT',
  help: `server: what the computer does then: ${AFTERWARDS.join(', ')} (default local-disk)`,
};

/** What transfers take that can be jobs of a server. */
export const JOB_OPTIONS = [SERVER_OPTION, ALONE_OPTION, DETACH_OPTION] as const;
export const NEW_IMAGE_JOB_OPTIONS = [...JOB_OPTIONS, LOCATION_OPTION] as const;
export const COMPUTER_JOB_OPTIONS = [AFTERWARDS_OPTION] as const;

/** Those of them that mean nothing where this machine does the work. */
const ONLY_JOBS = ['server', 'detach', 'location', 'afterwards'];
/** Those that mean the same in a job of any kind. */
const ALL_JOBS = ['server', 'detach', 'mode', 'verify', 'json', 'progress', 'timeout'];
const OPTIONS_OF = {
  capture: [...ALL_JOBS, 'format', 'location', 'afterwards'],
  deploy: [...ALL_JOBS, 'yes', 'afterwards'],
  convert: [...ALL_JOBS, 'format', 'location', 'size', 'sector-size', 'gpt'],
  verify: ['server', 'detach', 'json', 'progress', 'timeout', 'afterwards'],
  boot: ['server', 'detach', 'json', 'firmware', 'expect', 'timeout'],
} as const;
type Work = keyof typeof OPTIONS_OF;

/**
 * The server that does the work, or undefined if this machine does it itself.
 *
 * @param canBeJob whether what the user wrote can be images and computers of a server
 * @throws {UsageError} for options that belong to the other way
 */
export async function serverFor(
  kind: Work,
  canBeJob: boolean,
  invocation: Invocation,
): Promise<ApiClient | undefined> {
  const { flags, values } = invocation;
  if (flags.has('alone') && values.has('server'))
    throw new UsageError('--alone and --server exclude each other');
  if (values.has('server') && !canBeJob) {
    throw new UsageError(
      `--server takes names of its images and computers; a path or the address of a host is for this machine alone`,
    );
  }
  const client = flags.has('alone') || !canBeJob ? undefined : await findClient(invocation);
  if (client === undefined) {
    const foreign = ONLY_JOBS.find((name) => flags.has(name) || values.has(name));
    if (foreign !== undefined && canBeJob && !flags.has('alone')) await openClient(invocation);
    if (foreign !== undefined)
      throw new UsageError(`--${foreign} is for jobs of a server, not for files and hosts`);
    return undefined;
  }
  requireJobOptions(kind, invocation);
  return client;
}

function requireJobOptions(kind: Work, { flags, values, lists }: Invocation): void {
  const possible: readonly string[] = OPTIONS_OF[kind];
  const given = [...flags, ...values.keys(), ...lists.keys()];
  const foreign = given.find((name) => !possible.includes(name));
  if (foreign === undefined) return;
  throw new UsageError(
    `--${foreign} is not possible in a ${kind} by the server; this machine can do it itself: --alone, with the paths of ` +
      'images',
  );
}

/** Captures by a job. @returns the exit code */
export async function captureByJob(
  client: ApiClient,
  { computer, disk }: ComputerWord,
  image: string,
  invocation: Invocation,
): Promise<number> {
  if (image.includes(':')) {
    throw new UsageError(`a capture makes the next version of ${image.split(':')[0]}; leave ":…" away`);
  }
  await requireRegistered(client, computer);
  const spec = { computer, disk, image, ...newImageWords(invocation), ...computerWords(invocation) };
  return afterStart(client, await start(client, 'capture', spec), invocation);
}

/** Deploys by a job; a disk that is not empty is overwritten when the user has said so. @returns the exit code */
export async function deployByJob(
  client: ApiClient,
  image: string,
  { computer, disk }: ComputerWord,
  invocation: Invocation,
): Promise<number> {
  const { flags, signal } = invocation;
  sayFileIsNotMeant(client, image);
  await requireRegistered(client, computer);
  const spec = { image, computer, disk, ...computerWords(invocation) };
  if (flags.has('yes') || flags.has('detach') || !canAsk()) {
    const overwrite = flags.has('yes') ? true : undefined;
    return afterStart(client, await start(client, 'deploy', { ...spec, overwrite }), invocation);
  }
  const { id } = await start(client, 'deploy', spec);
  const job = await watchJob(client, id, invocation);
  if (typeof job === 'number') return job;
  if (job.error?.code !== 'NEEDS_CONFIRMATION') return tellEnd(client, job, invocation);
  printNote(job.error.message);
  if (!(await askYes('Overwrite it?', signal))) {
    throw new RefusedError('NEEDS_CONFIRMATION', 'nothing was written');
  }
  return afterStart(client, await start(client, 'deploy', { ...spec, overwrite: true }), invocation);
}

/** Converts by a job. @returns the exit code */
export async function convertByJob(
  client: ApiClient,
  image: string,
  name: string,
  invocation: Invocation,
): Promise<number> {
  if (name.includes(':'))
    throw new UsageError(`the new image is the next version of its name; leave ":…" away`);
  sayFileIsNotMeant(client, image);
  const { sizeBytes, sectorBytes, toGpt } = wishesOf(invocation);
  const spec = {
    image,
    name,
    size: sizeBytes,
    sectorSize: sectorBytes,
    gpt: toGpt || undefined,
    ...newImageWords(invocation),
    ...transferWords(invocation),
  };
  return afterStart(client, await start(client, 'convert', spec), invocation);
}

/** Compares a disk of a computer, or another image, with an image by a job. @returns the exit code */
export async function verifyByJob(
  client: ApiClient,
  image: string,
  other: ComputerWord | string,
  invocation: Invocation,
): Promise<number> {
  sayFileIsNotMeant(client, image);
  if (typeof other === 'string') sayFileIsNotMeant(client, other);
  else await requireRegistered(client, other.computer);
  const afterwards = choiceOption(invocation, 'afterwards', AFTERWARDS);
  const spec = { image, ...(typeof other === 'string' ? { other } : other), afterwards };
  return afterStart(client, await start(client, 'verify', spec), invocation);
}

/** Boots an image by a job. @returns the exit code */
export async function bootByJob(client: ApiClient, image: string, invocation: Invocation): Promise<number> {
  sayFileIsNotMeant(client, image);
  const timeoutMs = secondsOption(invocation, 'timeout');
  const spec = {
    image,
    firmware: choiceOption(invocation, 'firmware', ['bios', 'uefi']),
    expect: invocation.values.get('expect'),
    timeoutSeconds: timeoutMs === undefined ? undefined : Math.ceil(timeoutMs / 1000),
  };
  return afterStart(client, await start(client, 'boot-proof', spec), invocation);
}

function start(client: ApiClient, kind: string, spec: object): Promise<ApiJob> {
  return client.call('startJob', { body: { kind, spec } });
}

function newImageWords(invocation: Invocation): object {
  return {
    format: choiceOption(invocation, 'format', IMAGE_FORMATS),
    location: invocation.values.get('location'),
  };
}

function computerWords(invocation: Invocation): object {
  return { ...transferWords(invocation), afterwards: choiceOption(invocation, 'afterwards', AFTERWARDS) };
}

function transferWords(invocation: Invocation): object {
  const { mode, modes } = wishesOf(invocation);
  if (modes.size > 0)
    throw new UsageError('--mode N=MODE is not possible in a job; give one mode for all partitions');
  return { mode, verify: invocation.flags.has('verify') || undefined };
}

/** Known before a job waits for its turn. @throws {RefusedError} `COMPUTER_MISSING`, `NOT_REGISTERED` */
async function requireRegistered(client: ApiClient, name: string): Promise<void> {
  try {
    const { state } = await client.call('computer', { id: name });
    if (state !== 'unregistered') return;
  } catch (error) {
    if (!(error instanceof RefusedError) || error.code !== 'COMPUTER_MISSING') throw error;
    const message = `${client.name} knows no computer ${name}; see diskferry computers; for a host, add --alone`;
    throw new RefusedError(error.code, message, { cause: error });
  }
  throw new RefusedError(
    'NOT_REGISTERED',
    `${name} is not registered, so that no job works on it; first: diskferry computers register ${name} --name NEW-NAME`,
  );
}

function sayFileIsNotMeant(client: ApiClient, image: string): void {
  if (existsSync(image)) printNote(`${image} of ${client.name} is meant; the file here is ./${image}`);
}
