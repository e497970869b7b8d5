import { test } from 'node:test';
import { runInDebianGuest } from './run-in-guest.ts';

test('encrypted volumes, mirrors and thin pools are copied as files on a kernel that has device-mapper and md', (context) =>
  runInDebianGuest('volumes', /the volumes work/, context));

test('volumes that the kernel caches are copied with what only their caches have', (context) =>
  runInDebianGuest('cached-volumes', /the cached volumes work/, context));
