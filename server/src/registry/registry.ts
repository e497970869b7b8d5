import { EventEmitter } from 'node:events';
import type { Inventory } from '@diskferry/protocol/inventory';
import type { Database, Queries } from '../database/database.ts';
import type { EventLog } from '../events/event-log.ts';
import type { MachineFacts } from '../pxe/boot-decision.ts';
import { changeRegistry, type Tell } from './change-registry.ts';
import { changeState, type StateChange } from './change-state.ts';
import { cleanInventory } from './clean-inventory.ts';
import {
  type ComputerDetails,
  type ComputerSummary,
  findComputer,
  type HardwareRecord,
  requireComputer,
  summaryOf,
} from './computer.ts';
import { type ComputerPage, type ComputerWishes, listComputers } from './computer-list.ts';
import * as groups from './groups.ts';
import { listHardware, registerKnownHardware } from './hardware/records.ts';
import { addHistory, type HistoryEntry, listHistory } from './history.ts';
import { differencesAmong, knownWithOneOf } from './known-computers.ts';
import { matchComputer } from './matching.ts';
import { mergeComputers, splitComputers } from './merging.ts';
import {
  type ComputerWords,
  forgetComputer,
  type InUse,
  registerComputer,
  updateComputerWords,
} from './registration.ts';
import * as rules from './rule-book.ts';
import {
  recogniseComputer,
  recogniseUnchanged,
  recordSighting,
  type Sighting,
  type SightingOutcome,
  tellUnknown,
} from './sighting.ts';
import type { DeploymentState } from './states/deployment-state.ts';
import { traitsOf, traitsOfBoot } from './traits.ts';

export interface RegistryOptions {
  /** Tells what holds a computer, such as a job: it is neither forgotten nor merged into another one then. */
  readonly inUse?: InUse;
}

/** What a sighting has led to. */
export interface Seen {
  readonly computer: ComputerSummary;
  /** `same`: it was known; `new`: it is unregistered, unless a rule has registered it; `doubtful`: see its `doubts`. */
  readonly outcome: SightingOutcome;
}

/** A computer that asks over the network what to start, and by what it was recognised. */
export interface RecognisedBoot {
  readonly id: string;
  readonly name: string;
  readonly state: DeploymentState;
  readonly by: 'mac' | 'uuid';
}

/** A MAC address or UUID of a computer in this state. */
export interface BootTrait {
  readonly kind: 'mac' | 'uuid';
  readonly value: string;
  readonly state: DeploymentState;
}

/**
 * The computers that are known, what they are recognised by, and where each of them stands. Computers are named by id, by
 * name, or by the id of what was merged into them; whoever is missing gives `COMPUTER_MISSING`. `actor` says in the history
 * who did it: "user anna", "job 7", "rule lab".
 */
export class Registry {
  readonly #database: Database;
  readonly #events: EventLog;
  readonly #inUse: InUse;
  readonly #listeners = new EventEmitter<{ change: [] }>();

  private constructor(
    database: Database,
    events: EventLog,
    { inUse = async () => undefined }: RegistryOptions,
  ) {
    this.#database = database;
    this.#events = events;
    this.#inUse = inUse;
    this.#listeners.setMaxListeners(0);
  }

  /** Opens the registry and writes down the hardware that is known before anybody has it. */
  static async open(database: Database, events: EventLog, options: RegistryOptions = {}): Promise<Registry> {
    const registry = new Registry(database, events, options);
    await registry.#change((queries) => registerKnownHardware(queries));
    return registry;
  }

  /**
   * A computer has shown itself: finds it, or makes an unregistered one, and writes down what has changed. Calls at the same
   * moment, also on other servers, make one computer. Raises `computer.unknown`, `computer.doubtful`,
   * `computer.hardware-changed`.
   */
  async seen(shown: Sighting): Promise<Seen> {
    const sighting = { ...shown, inventory: cleanInventory(shown.inventory) };
    const unchanged = await recogniseUnchanged(this.#database, sighting);
    const row = unchanged === undefined ? undefined : await findComputer(this.#database, unchanged);
    // It may have been forgotten since it was recognised.
    if (row !== undefined) return { computer: await summaryOf(this.#database, row), outcome: 'same' };
    return this.#change(async (queries, tell) => {
      const { id, outcome } = await recordSighting(queries, sighting, tell);
      if (outcome === 'new') await this.#welcome(queries, id, sighting, tell);
      return { computer: await summaryOf(queries, await requireComputer(queries, id)), outcome };
    });
  }

  /** The id of the computer that somebody shows to be; undefined where it is not known or not clear. Changes nothing. */
  async recognise(shown: Sighting): Promise<string | undefined> {
    return recogniseComputer(this.#database, { ...shown, inventory: cleanInventory(shown.inventory) });
  }

  /** Which computer asks for its boot loader; undefined where that is not known or not clear. Changes nothing. */
  async recogniseBoot(facts: MachineFacts): Promise<RecognisedBoot | undefined> {
    const traits = traitsOfBoot(facts);
    const known = await knownWithOneOf(this.#database, traits);
    const areDifferent = await differencesAmong(this.#database, known);
    const match = matchComputer(traits, known, { areDifferent, partial: true });
    if (match.kind !== 'same') return undefined;
    const found = await findComputer(this.#database, match.id);
    if (found === undefined) return undefined;
    const theirs = known.find(({ id }) => id === match.id)?.traits ?? [];
    const uuid = traits.find(({ kind }) => kind === 'uuid')?.value;
    const by = theirs.some(({ kind, value }) => kind === 'uuid' && value === uuid) ? 'uuid' : 'mac';
    return { id: found.id, name: found.name, state: found.state, by };
  }

  /** One page of the computers that meet the wishes, by name. */
  async list(wishes: ComputerWishes = {}): Promise<ComputerPage> {
    return listComputers(this.#database, wishes);
  }

  /** @throws {DiskferryError} `COMPUTER_MISSING` */
  async get(idOrName: string): Promise<ComputerDetails> {
    const row = await requireComputer(this.#database, idOrName);
    const { id, hardwareId } = row;
    const traits = await this.#database
      .selectFrom('computerTraits')
      .select(['kind', 'value', 'firstSeen'])
      .where('computerId', '=', id)
      .orderBy('kind')
      .orderBy('value')
      .execute();
    const inventory = await this.#database
      .selectFrom('computerInventories')
      .select('inventory')
      .where('computerId', '=', id)
      .executeTakeFirst();
    const aliases = await this.#database
      .selectFrom('computerAliases')
      .select(['oldId as id', 'oldName as name', 'at'])
      .where('computerId', '=', id)
      .orderBy('at')
      .execute();
    return {
      ...(await summaryOf(this.#database, row)),
      traits,
      aliases,
      inventory: inventory === undefined ? undefined : (JSON.parse(inventory.inventory) as Inventory),
      hardware: hardwareId === null ? undefined : (await listHardware(this.#database, hardwareId))[0],
    };
  }

  /** What happened to a computer, newest first. */
  async history(
    idOrName: string,
    wishes: { readonly before?: string | undefined; readonly limit?: number } = {},
  ): Promise<HistoryEntry[]> {
    const { id } = await requireComputer(this.#database, idOrName);
    return listHistory(this.#database, id, wishes);
  }

  /**
   * An administrator says that a computer belongs here.
   *
   * @throws {RefusedError} `COMPUTER_DOUBTFUL`, `COMPUTER_NAME_TAKEN`
   * @throws {StateError} when it is registered already
   * @throws {UsageError} for a name that is none
   */
  async register(idOrName: string, words: ComputerWords, actor: string): Promise<ComputerSummary> {
    return this.#changeComputer((queries, tell) =>
      registerComputer(queries, idOrName, { ...words, actor }, tell),
    );
  }

  /** Registers all unregistered computers that a rule fits, such as after a rule was made. Returns how many. */
  async applyRules(): Promise<number> {
    return this.#change(async (queries, tell) => {
      const waiting = await queries
        .selectFrom('computers')
        .innerJoin('computerInventories', 'computerId', 'id')
        .select(['id', 'address', 'enrolment', 'inventory'])
        .where('state', '=', 'unregistered')
        .where('id', 'not in', queries.selectFrom('computerDoubts').select('computerDoubts.computerId'))
        .orderBy('id')
        .execute();
      let count = 0;
      for (const { id, inventory, address, enrolment } of waiting) {
        const facts = {
          inventory: JSON.parse(inventory) as Inventory,
          address: address ?? undefined,
          enrolment: enrolment ?? undefined,
        };
        if ((await rules.registerByRule(queries, { id }, facts, tell)) !== undefined) count++;
      }
      return count;
    });
  }

  /** Changes name and notes as far as they are given. */
  async update(idOrName: string, words: ComputerWords, actor: string): Promise<ComputerSummary> {
    return this.#changeComputer((queries) => updateComputerWords(queries, idOrName, { ...words, actor }));
  }

  /** Gives a computer these tags and no others. */
  async setTags(idOrName: string, tags: readonly string[]): Promise<ComputerSummary> {
    return this.#changeComputer(async (queries) => {
      const { id } = await requireComputer(queries, idOrName);
      await groups.setTags(queries, id, tags);
      return id;
    });
  }

  /** @throws {RefusedError} `COMPUTER_IN_USE` */
  async forget(idOrName: string, actor: string): Promise<void> {
    const inUse = this.#inUse;
    await this.#change((queries, tell) => forgetComputer(queries, idOrName, { actor, inUse }, tell));
  }

  /**
   * `other` is the same computer as `one`, which gets its traits, history, tags and groups.
   *
   * @throws {RefusedError} `COMPUTER_IN_USE`, `COMPUTER_REGISTERED`, `COMPUTER_SAME`
   */
  async merge(one: string, other: string, actor: string): Promise<ComputerSummary> {
    return this.#changeComputer((queries, tell) =>
      mergeComputers(queries, { one, other, actor }, this.#inUse, tell),
    );
  }

  /** They are two computers, whatever they have in common: it is not asked again. */
  async split(one: string, other: string, actor: string): Promise<void> {
    await this.#change((queries, tell) => splitComputers(queries, { one, other, actor }, tell));
  }

  /**
   * Changes the state of a computer and writes it into its history, in one transaction.
   *
   * @param queries the transaction of a larger change, such as that of a job
   * @throws {StateError} `STATE_NOT_ALLOWED`
   */
  async changeState(idOrName: string, change: StateChange, queries?: Queries): Promise<DeploymentState> {
    if (queries === undefined) return this.#change((own, tell) => changeState(own, idOrName, change, tell));
    const told: Parameters<Tell>[0][] = [];
    const state = await changeState(queries, idOrName, change, (event) => told.push(event));
    for (const event of told) await this.#events.add(event, queries);
    this.#listeners.emit('change');
    return state;
  }

  /** Writes into the history that the contents of a disk are going to change: to be called before they do. */
  async noteDiskWork(
    idOrName: string,
    { actor, message }: { readonly actor: string; readonly message: string },
  ): Promise<void> {
    await this.#change(async (queries) => {
      const { id } = await requireComputer(queries, idOrName);
      await addHistory(queries, id, { kind: 'disk', actor, message });
    });
  }

  /** Hardware that computers have, and virtual hardware that they might have. */
  async hardware(): Promise<HardwareRecord[]> {
    return listHardware(this.#database);
  }

  async groups(): Promise<groups.ComputerGroup[]> {
    return groups.listGroups(this.#database);
  }

  /** Ids of the computers in a group. */
  async groupMembers(idOrName: string): Promise<string[]> {
    return groups.groupMembers(this.#database, idOrName);
  }

  /** @throws {RefusedError} `GROUP_EXISTS` */
  async createGroup(name: string): Promise<groups.ComputerGroup> {
    return this.#change((queries) => groups.createGroup(queries, name));
  }

  /** Deletes a group; its computers stay. */
  async deleteGroup(idOrName: string): Promise<void> {
    await this.#change((queries) => groups.deleteGroup(queries, idOrName));
  }

  async addToGroup(group: string, computers: readonly string[]): Promise<void> {
    await this.#change((queries) => groups.addToGroup(queries, group, computers));
  }

  async removeFromGroup(group: string, computers: readonly string[]): Promise<void> {
    await this.#change((queries) => groups.removeFromGroup(queries, group, computers));
  }

  /** The rules that register computers, in their order. */
  async rules(): Promise<rules.RegistrationRule[]> {
    return rules.listRules(this.#database);
  }

  /** @throws {UsageError} for conditions or a pattern that make no sense */
  async addRule(rule: rules.NewRule): Promise<rules.RegistrationRule> {
    return this.#change((queries) => rules.addRule(queries, rule));
  }

  async updateRule(id: string, changes: Partial<rules.NewRule>): Promise<rules.RegistrationRule> {
    return this.#change((queries) => rules.updateRule(queries, id, changes));
  }

  async deleteRule(id: string): Promise<void> {
    await this.#change((queries) => rules.deleteRule(queries, id));
  }

  /** By what computers are known to the DHCP side, which must know them before they ask. */
  async bootTraits(): Promise<readonly BootTrait[]> {
    const rows = await this.#database
      .selectFrom('computerTraits')
      .innerJoin('computers', 'computers.id', 'computerId')
      .select(['kind', 'value', 'state'])
      .where('kind', 'in', ['mac', 'uuid'])
      .orderBy('value')
      .execute();
    return rows.map(({ kind, value, state }) => ({ kind: kind as 'mac' | 'uuid', value, state }));
  }

  /** Calls back after each change that this server has made, until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.on('change', listener);
    return () => this.#listeners.off('change', listener);
  }

  /** A rule registers it, or an administrator is told. */
  async #welcome(queries: Queries, id: string, sighting: Sighting, tell: Tell): Promise<void> {
    const computer = await requireComputer(queries, id);
    const rule = await rules.registerByRule(queries, computer, sighting, tell);
    if (rule === undefined) tellUnknown(tell, computer, sighting, traitsOf(sighting.inventory).length > 0);
  }

  /** Does what gives the id of a computer, and shows it as it is then: others may change it right after. */
  async #changeComputer(work: (queries: Queries, tell: Tell) => Promise<string>): Promise<ComputerSummary> {
    return this.#change(async (queries, tell) => {
      const id = await work(queries, tell);
      return summaryOf(queries, await requireComputer(queries, id));
    });
  }

  async #change<T>(work: (queries: Queries, tell: Tell) => Promise<T>): Promise<T> {
    const result = await changeRegistry(this.#database, this.#events, work);
    this.#listeners.emit('change');
    return result;
  }
}
