import type { BootPolicy, MachineFacts, Ruling } from './boot-decision.ts';
import type { BootFiles } from './boot-files.ts';
import type { BootEvent } from './boot-log.ts';
import { BootPasses } from './boot-passes.ts';

export interface BootDeskOptions {
  readonly policy: BootPolicy;
  /** Kernel and initrd as they are now. */
  readonly files: () => BootFiles;
  readonly onEvent: (event: BootEvent) => void;
}

/**
 * Where machines ask what to boot, however they ask: iPXE over HTTP, GRUB by TFTP. Kernel and initrd are given out only to those
 * that were decided to boot.
 */
export class BootDesk {
  readonly #options: BootDeskOptions;
  readonly #passes = new BootPasses();

  constructor(options: BootDeskOptions) {
    this.#options = options;
  }

  async ask(machine: MachineFacts): Promise<Ruling> {
    const ruling = await this.#options.policy.decide(machine);
    this.#options.onEvent({ event: 'asked', ...machine, ...ruling });
    return ruling;
  }

  /** Lets a machine load kernel and initrd; the name of its pass is a part of their path. */
  admit(machine: MachineFacts): string {
    return this.#passes.issue(machine);
  }

  /** Kernel and initrd, for who shows a pass of that address; undefined for others. */
  filesFor(pass: string, address: string): BootFiles | undefined {
    return this.#passes.check(pass, address) === undefined ? undefined : this.#options.files();
  }

  /** A machine has got all of the initrd, which is the last thing that it needs. */
  async loaded(pass: string, address: string): Promise<void> {
    const machine = this.#passes.check(pass, address);
    if (machine === undefined) return;
    await this.#options.policy.booted(machine);
    const { kernel, initrd } = this.#options.files();
    this.#options.onEvent({ event: 'booted', mac: machine.mac, address, bytes: kernel.bytes + initrd.bytes });
  }
}
