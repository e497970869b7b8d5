import { test } from 'node:test';
import { runInDebianGuest } from './debian-guest/run-in-guest.ts';

test("nbd-client and the kernel's nbd read and write disks of the imaging client, plain and with TLS", (context) =>
  runInDebianGuest('kernel-nbd', /the kernel reads and writes/, context));
