import { test } from 'node:test';
import { runInDebianGuest } from './debian-guest/run-in-guest.ts';

test('the nbd loop-back driver attaches, writes and detaches on a kernel that has the module', (context) =>
  runInDebianGuest('nbd-driver', /the nbd driver works/, context));
