/** A program for tests: attaches an image, says so, and then waits to be killed. */
import { openSession } from '@diskferry/system/session';
import { attachDisk } from '../switch.ts';

const [path = ''] = process.argv.slice(2);
const session = openSession('test');
const disk = await attachDisk({ kind: 'image', path, format: 'raw' }, { session, mode: 'write' });
const partition = await disk.attachPartition({ start: 1024 * 1024, size: 1024 * 1024 });
process.send?.({ device: disk.device, partition, session: session.id });
// Keeps the program alive without work.
setInterval(() => {}, 60_000);
