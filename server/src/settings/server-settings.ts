import { existsSync, readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { messageOf, UsageError } from '@diskferry/system/errors';
import { parse } from 'smol-toml';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { PXE_SETTINGS, type PxeSettings } from '../pxe/pxe-settings.ts';
import { SERVER_PORT } from '../serve/server-port.ts';

const MAX_PORT = 65_535;
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
/** Takes a line of a server's log. */
export type Log = (level: LogLevel, line: string) => void;

const CLOSED = { additionalProperties: false };
const FILE = Type.Object(
  {
    database: Type.Optional(Type.String({ minLength: 1 })),
    listen: Type.Optional(Type.String({ minLength: 1 })),
    port: Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_PORT })),
    hosts: Type.Optional(Type.Array(Type.String({ minLength: 1 }))),
    'log-level': Type.Optional(Type.Enum(LOG_LEVELS)),
    pxe: Type.Optional(PXE_SETTINGS),
    power: Type.Optional(Type.Object({ hook: Type.Optional(Type.String({ pattern: '^/' })) }, CLOSED)),
    jobs: Type.Optional(
      Type.Object(
        {
          'at-once': Type.Optional(Type.Integer({ minimum: 1, maximum: 256 })),
          'at-once-per-link': Type.Optional(Type.Integer({ minimum: 1, maximum: 256 })),
        },
        CLOSED,
      ),
    ),
  },
  CLOSED,
);
type SettingsFile = Static<typeof FILE>;

/** What an administrator decides of a server. */
export interface ServerSettings {
  /** `sqlite:PATH` or a connection string of PostgreSQL. */
  readonly database: string;
  /** The only address to listen on; all by default. */
  readonly listen: string | undefined;
  /** TCP; 0 lets the kernel choose. */
  readonly port: number;
  /** Names and addresses of the server besides those that it knows itself. */
  readonly hosts: readonly string[];
  readonly logLevel: LogLevel;
  /** Jobs of this server that run at the same time. */
  readonly jobsAtOnce: number;
  /** And of them, those whose computers are on the same link. */
  readonly jobsAtOncePerLink: number;
  /** Absolute path of a program that switches computers by other means than ours. */
  readonly powerHook: string | undefined;
  /** Without an interface, no computer boots from this server. */
  readonly pxe: PxeSettings;
}

/** Where the settings are if nobody says otherwise. */
export const SETTINGS_PATH = '/etc/diskferry/server.toml';

/**
 * Reads a settings file; a server without one has the defaults.
 *
 * @param path which must be there; undefined stands for the usual one, which need not
 * @throws {UsageError} naming the file and what is wrong in it
 */
export function readServerSettings(path: string | undefined, stateFolder: string): ServerSettings {
  const file = path ?? (existsSync(SETTINGS_PATH) ? SETTINGS_PATH : undefined);
  return settingsOf(file === undefined ? {} : readFile(file), stateFolder);
}

function readFile(path: string): SettingsFile {
  let contents: unknown;
  try {
    contents = parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new UsageError(`the settings file ${path} cannot be read: ${messageOf(error)}`);
  }
  if (Value.Check(FILE, contents)) return contents;
  throw new UsageError(`the settings file ${path}: ${mistakes(contents).join('; ')}`);
}

/** Sentences that name the setting as it is written. */
function mistakes(contents: unknown): string[] {
  const found = new Map<string, string>();
  for (const { keyword, instancePath, message } of Value.Errors(FILE, contents)) {
    const name = instancePath.slice(1).replaceAll('/', '.');
    if (keyword === 'boolean') found.set(name, `there is no setting "${name}"`);
    else if (keyword !== 'additionalProperties' && !found.has(name)) found.set(name, `"${name}" ${message}`);
  }
  return [...found.values()];
}

function settingsOf(file: SettingsFile, stateFolder: string): ServerSettings {
  return {
    database: databaseUrl(file.database ?? 'sqlite:server.sqlite', stateFolder),
    listen: file.listen,
    port: file.port ?? SERVER_PORT,
    hosts: file.hosts ?? [],
    logLevel: file['log-level'] ?? 'info',
    jobsAtOnce: file.jobs?.['at-once'] ?? 4,
    jobsAtOncePerLink: file.jobs?.['at-once-per-link'] ?? 2,
    powerHook: file.power?.hook,
    pxe: { ...file.pxe },
  };
}

/** A file without an absolute name is in the state folder. */
function databaseUrl(url: string, stateFolder: string): string {
  const [, path] = /^sqlite:(.+)$/.exec(url) ?? [];
  return path === undefined || isAbsolute(path) ? url : `sqlite:${join(stateFolder, path)}`;
}
