import { mkdirSync, readFileSync, renameSync, rmSync, statSync, watch, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DiskferryError, messageOf } from '@diskferry/system/errors';
import { stateFolder } from '../serve/state-folder.ts';
import { DECISIONS, type Decision } from './boot-decision.ts';
import { type MachineKey, machineKeyOf } from './machine-key.ts';

/** What a machine shall boot. */
export interface BootRule {
  readonly decision: Decision;
  /** Of `boot`: only once, and from its own disk after that. */
  readonly once?: boolean;
  /** It enforces Secure Boot: its first loader must be signed. */
  readonly secureBoot?: boolean;
}

const FORMAT = 1;
const LOCK_POLL_MS = 20;
/** An edit takes a ms; whoever holds the file longer was killed. */
const LOCK_STALE_MS = 5_000;

/**
 * The rules of `diskferry pxe`: a JSON file that people and programs may edit too. It is read again at each question, so
 * that a change counts at once.
 *
 *   { "format": 1, "machines": { "52:54:00:12:34:56": { "decision": "boot", "once": true } } }
 */
export class BootRules {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * All rules by MAC address or UUID.
   *
   * @throws {DiskferryError} `RULES_DAMAGED`
   */
  read(): ReadonlyMap<string, BootRule> {
    let text: string;
    try {
      text = readFileSync(this.path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
      throw error;
    }
    try {
      return parseRules(text);
    } catch (cause) {
      throw new DiskferryError(
        'RULES_DAMAGED',
        `${this.path} cannot be understood: ${messageOf(cause)}; mend it, or delete it and name the machines again`,
        { cause },
      );
    }
  }

  /** Makes the rule for a machine, or takes it away. Returns the one before. */
  async set({ text }: MachineKey, rule: BootRule | undefined): Promise<BootRule | undefined> {
    return this.#edit((rules) => {
      const before = rules.get(text);
      if (rule === undefined) rules.delete(text);
      else rules.set(text, rule);
      return before;
    });
  }

  /** A machine has booted: those of its rules that were for once now say `local`. */
  async spend(keys: readonly string[]): Promise<void> {
    const rules = this.read();
    if (!keys.some((key) => rules.get(key)?.once === true)) return;
    await this.#edit((current) => {
      for (const key of keys) {
        const { once, ...rule } = current.get(key) ?? { once: false };
        if (once === true) current.set(key, { ...rule, decision: 'local' });
      }
    });
  }

  /** Tells of every change, also by other processes, until the returned function is called. */
  onChange(listener: () => void): () => void {
    // The file itself is replaced at each change.
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
    const watcher = watch(dirname(this.path), (_, name) => {
      if (name === basename(this.path)) listener();
    });
    return () => watcher.close();
  }

  /** The new file is the lock too: who made it may read, change and put it in place of the old one. */
  async #edit<T>(change: (rules: Map<string, BootRule>) => T): Promise<T> {
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
    const draft = `${this.path}.new`;
    for (;;) {
      try {
        writeFileSync(draft, '', { flag: 'wx', mode: 0o600 });
        break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      removeStale(draft);
      await sleep(LOCK_POLL_MS);
    }
    try {
      const rules = new Map(this.read());
      const result = change(rules);
      writeFileSync(draft, formatRules(rules));
      renameSync(draft, this.path);
      return result;
    } catch (error) {
      rmSync(draft, { force: true });
      throw error;
    }
  }
}

/** The rules of this server, in its state folder. */
export function rulesOfServer(): BootRules {
  return new BootRules(join(pxeStateFolder(), 'machines.json'));
}

/** Rules, log and leases; they survive a restart of the machine. */
export function pxeStateFolder(): string {
  return join(stateFolder(), 'pxe');
}

function removeStale(draft: string): void {
  try {
    if (Date.now() - statSync(draft).mtimeMs > LOCK_STALE_MS) rmSync(draft, { force: true });
  } catch {
    // It is gone: the other one has just finished.
  }
}

function parseRules(text: string): ReadonlyMap<string, BootRule> {
  const { format, machines } = JSON.parse(text) as { format?: unknown; machines?: Record<string, BootRule> };
  if (format !== FORMAT) throw new Error(`its format is ${String(format)}, and not ${FORMAT}`);
  return new Map(
    Object.entries(machines ?? {}).map(([name, rule]) => {
      const key = machineKeyOf(name);
      if (key === undefined) throw new Error(`"${name}" is neither a MAC address nor a UUID`);
      const decision = DECISIONS.find((word) => word === rule?.decision);
      if (decision === undefined) throw new Error(`"${name}" has none of ${DECISIONS.join(', ')}`);
      const once = rule.once === true ? { once: true } : {};
      const secureBoot = rule.secureBoot === true ? { secureBoot: true } : {};
      return [key.text, { decision, ...once, ...secureBoot }] as const;
    }),
  );
}

function formatRules(rules: ReadonlyMap<string, BootRule>): string {
  const machines = Object.fromEntries([...rules].toSorted(([a], [b]) => a.localeCompare(b)));
  return `${JSON.stringify({ format: FORMAT, machines }, undefined, 2)}\n`;
}
