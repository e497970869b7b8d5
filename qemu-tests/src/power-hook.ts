import { chmodSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { messageOf } from '@diskferry/system/errors';

/** A program for `power.hook` of a server's settings. */
export interface PowerHook extends AsyncDisposable {
  readonly program: string;
}

/**
 * Makes a program that asks this process to switch a machine, as a script around ipmitool asks a management controller.
 *
 * @param turn switches; when it fails, so does the program
 */
export async function openPowerHook(
  folder: string,
  turn: (action: string, computer: string) => Promise<void>,
): Promise<PowerHook> {
  const [program, socketPath] = [join(folder, 'power'), join(folder, 'power.sock')];
  const server = createServer((request, response) => {
    const [, action = '', computer = ''] = request.url?.split('/') ?? [];
    turn(action, computer).then(
      () => response.end(),
      (error: unknown) => response.writeHead(500).end(messageOf(error)),
    );
  });
  server.listen(socketPath);
  await once(server, 'listening');
  writeFileSync(
    program,
    `#!${process.execPath}
const { request } = require('node:http');
const path = '/' + process.argv[2] + '/' + process.env.DISKFERRY_COMPUTER_NAME;
request({ socketPath: '${socketPath}', path, method: 'POST' }, (answer) => {
  answer.pipe(process.stderr);
  process.exitCode = answer.statusCode === 200 ? 0 : 1;
}).end();
`,
  );
  chmodSync(program, 0o700);
  return {
    program,
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}
