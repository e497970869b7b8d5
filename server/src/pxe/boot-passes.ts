import { randomBytes } from 'node:crypto';
import type { MachineFacts } from './boot-decision.ts';

/** Enough to load some 60 MB over a very slow network, in ms. */
const VALID_MS = 30 * 60_000;
/** More machines than start at once; the oldest pass gives way. */
const MOST_PASSES = 4096;
const PASS_BYTES = 16;

interface Pass {
  readonly machine: MachineFacts;
  readonly until: number;
}

/**
 * Passes to kernel and initrd, which may hold the secret of an enrolment: only a machine that was decided to boot gets one, for
 * a while and for its address alone.
 */
export class BootPasses {
  readonly #passes = new Map<string, Pass>();

  issue(machine: MachineFacts, now = Date.now()): string {
    for (const name of this.#passes.keys()) {
      if (this.#passes.size < MOST_PASSES) break;
      this.#passes.delete(name);
    }
    const name = randomBytes(PASS_BYTES).toString('base64url');
    this.#passes.set(name, { machine, until: now + VALID_MS });
    return name;
  }

  /** The machine that has this pass; undefined if it is unknown, too old, or shown by another address. */
  check(name: string, address: string, now = Date.now()): MachineFacts | undefined {
    const pass = this.#passes.get(name);
    return pass !== undefined && pass.until > now && pass.machine.address === address
      ? pass.machine
      : undefined;
  }
}
