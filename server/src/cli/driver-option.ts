import type { LoopbackDriverName } from '@diskferry/server-adapter/simulated-disk';
import { type CliOption, choiceOption, type Invocation } from './command.ts';

const DRIVERS = ['auto', 'fuse', 'nbd'] as const satisfies readonly LoopbackDriverName[];

export const DRIVER_OPTION: CliOption = {
  name: 'driver',
  value: 'NAME',
  help: 'loop-back driver: auto (default), fuse, or nbd where the kernel has it',
};

export function driverOption(invocation: Invocation): LoopbackDriverName {
  return choiceOption(invocation, 'driver', DRIVERS) ?? 'auto';
}
