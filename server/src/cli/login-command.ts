import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { UsageError } from '@diskferry/system/errors';
import { ApiClient } from '../api-client/api-client.ts';
import { readAuthorityFile } from '../api-client/find-server.ts';
import { loginFile, removeLoginFile, writeLoginFile } from '../api-client/login-file.ts';
import { parseServerUrl, requireToken } from '../api-client/server-access.ts';
import { askLine } from './ask-line.ts';
import { type CliCommand, type Invocation, JSON_OPTION, secondsOption, TIMEOUT_OPTION } from './command.ts';
import { print, printJson } from './output.ts';

const STANDARD_INPUT = '-';

export const loginCommand: CliCommand = {
  name: 'login',
  operands: ['URL'],
  summary: 'make this command line a client of an imaging server',
  details:
    'URL is https://HOST:PORT, or HOST for port 7443. Address, certificate and token are tried before they are kept in\n' +
    '~/.config/diskferry/server.json ($XDG_CONFIG_HOME), which only you can read. The token is that of --token-file, else\n' +
    'of DISKFERRY_TOKEN, else it is asked for. DISKFERRY_SERVER, DISKFERRY_TOKEN and DISKFERRY_CA (a file) go before what\n' +
    "is kept. The server's certificate is in /var/lib/diskferry/authority/certificate.pem of its machine.",
  options: [
    {
      name: 'ca',
      value: 'FILE',
      help: 'the only authority that may vouch for the server (default: public ones)',
    },
    {
      name: 'token-file',
      value: 'FILE',
      help: 'the token is the first line of FILE, or - for standard input',
    },
    JSON_OPTION,
    TIMEOUT_OPTION,
  ],
  keepsLeftovers: true,
  run: logIn,
};

export const logoutCommand: CliCommand = {
  name: 'logout',
  operands: [],
  summary: 'forget the imaging server and its token; the token itself stays valid',
  options: [JSON_OPTION],
  keepsLeftovers: true,
  run: async ({ flags }) => {
    const file = loginFile();
    const wasThere = removeLoginFile(file);
    if (flags.has('json')) printJson({ file, removed: wasThere });
    else print(wasThere ? `${file} is removed` : 'there was no login');
    return 0;
  },
};

async function logIn(invocation: Invocation): Promise<number> {
  const { positionals, values, flags, signal } = invocation;
  const url = parseServerUrl(positionals[0] ?? '');
  const caFile = values.get('ca');
  const ca = caFile === undefined ? undefined : readAuthorityFile(caFile, '--ca');
  const { token, tokenFrom } = await tokenOf(url, invocation);
  const authority = ca === undefined ? {} : { ca };
  const client = new ApiClient(
    { kind: 'https', url, token, tokenFrom, ...authority },
    { signal, timeoutMs: secondsOption(invocation, 'timeout') },
  );
  const { version, user, role } = await client.call('server');
  const file = loginFile();
  writeLoginFile(file, { url, token, ...authority });
  if (flags.has('json')) printJson({ url, version, user, role, file });
  else print(`logged in to ${url} (diskferry ${version}) as ${user}, role ${role}; kept in ${file}`);
  return 0;
}

async function tokenOf(
  url: string,
  { values, signal }: Invocation,
): Promise<{ readonly token: string; readonly tokenFrom: string }> {
  const file = values.get('token-file');
  if (file === STANDARD_INPUT) return named(await text(process.stdin), 'standard input');
  if (file !== undefined) return named(readTokenFile(file), file);
  const word = process.env['DISKFERRY_TOKEN'] ?? '';
  if (word !== '') return named(word, 'DISKFERRY_TOKEN');
  if (!process.stdin.isTTY) {
    throw new UsageError(
      'give the token: --token-file FILE, --token-file - for standard input, or DISKFERRY_TOKEN',
    );
  }
  const typed = await askLine(`token for ${url}: `, { signal, hidden: true });
  return named(typed ?? '', 'the terminal');
}

function named(text: string, tokenFrom: string): { readonly token: string; readonly tokenFrom: string } {
  return { token: requireToken(text.split('\n', 1)[0] ?? '', tokenFrom), tokenFrom };
}

function readTokenFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`--token-file cannot be read: ${(error as Error).message}`);
  }
}
