import { randomBytes } from 'node:crypto';
import { DiskError } from '@diskferry/protocol/disk';
import { AccessError, type Peer } from './peer.ts';
import { WriteTurns } from './write-turns.ts';

/**
 * How long a grant outlives the control connection that asked for it, in ms: as long as the other side tries to
 * come back.
 */
const GRACE_MS = 120_000;
const TOKEN_BYTES = 16;
const SEPARATOR = ';grant=';
/** Names of a grant that are known: the newest is used, and the ones before only by connections that are still there. */
const MAX_NAMES = 4;
/** Both are shown on a text console. */
const MAX_JOB_LENGTH = 64;
const MAX_DESCRIPTION_LENGTH = 200;

export interface GrantRequest {
  readonly disk: string;
  /** Tells the disk from another that has the same name later. */
  readonly generation: string;
  readonly job: string;
  readonly description: string;
}

/** The right of one peer to write to one disk for one job. */
export interface Grant extends GrantRequest {
  readonly peer: Peer;
  /** The newest name under which the disk can be written. */
  readonly exportName: string;
  /** False when the right has ended. */
  readonly isActive: boolean;
}

/** A grant under one of its names. */
export interface NamedGrant {
  readonly grant: Grant;
  /** To be called when a disk is opened under the name: older names cannot write any more, and have done with it. */
  begin(): Promise<void>;
  /**
   * Carries a change out.
   *
   * @throws {DiskError} `EPERM` if the grant is over, `ESHUTDOWN` if a disk was opened under a newer name
   */
  run(change: () => Promise<void>): Promise<void>;
}

interface HeldGrant extends Grant {
  exportName: string;
  isActive: boolean;
  readonly turns: WriteTurns;
  /** The turn of each name. */
  readonly names: Map<string, number>;
  /** The control connection that answers for it; undefined while it is gone. */
  holder: object | undefined;
  expiry: NodeJS.Timeout | undefined;
}

/** The grants that are given now, at most one a disk. */
export class Grants {
  readonly #graceMs: number;
  readonly #byDisk = new Map<string, HeldGrant>();

  constructor({ graceMs = GRACE_MS }: { readonly graceMs?: number } = {}) {
    this.#graceMs = graceMs;
  }

  /**
   * Gives a grant, or the same one again for the same job of the same peer on the same disk, also over a new connection.
   * It has a new name each time, which ends writing under the older ones when it is first used.
   *
   * @param holder the control connection that asks
   * @throws {AccessError} `GRANT_TAKEN`, `GRANT_INVALID`
   */
  give(peer: Peer, holder: object, request: GrantRequest): Grant {
    checkText('job', request.job, MAX_JOB_LENGTH);
    checkText('description', request.description, MAX_DESCRIPTION_LENGTH);
    const given = this.#byDisk.get(request.disk);
    if (given !== undefined && given.generation === request.generation) {
      refuseOthers(given, peer, request.job);
      clearTimeout(given.expiry);
      given.expiry = undefined;
      given.holder = holder;
      addName(given);
      return given;
    }
    // The disk for which the old one was given is no longer there.
    if (given !== undefined) this.#remove(given);
    const grant: HeldGrant = {
      ...request,
      peer,
      exportName: '',
      isActive: true,
      turns: new WriteTurns(),
      names: new Map(),
      holder,
      expiry: undefined,
    };
    addName(grant);
    this.#byDisk.set(request.disk, grant);
    return grant;
  }

  /** Takes the peer's grant for that disk back; without effect if it has none. */
  end(peer: Peer, disk: string): void {
    const grant = this.#byDisk.get(disk);
    if (grant?.peer.id === peer.id) this.#remove(grant);
  }

  /** The grants that this connection answers for end, unless they are asked for again in time. */
  connectionClosed(holder: object): void {
    for (const grant of this.#byDisk.values()) {
      if (grant.holder !== holder) continue;
      grant.holder = undefined;
      grant.expiry = setTimeout(() => this.#remove(grant), this.#graceMs).unref();
    }
  }

  /** The grant of that peer whose export has, or had, this name. */
  find(peer: Peer, exportName: string): NamedGrant | undefined {
    for (const grant of this.#byDisk.values()) {
      const turn = grant.names.get(exportName);
      if (turn === undefined || grant.peer.id !== peer.id) continue;
      return {
        grant,
        begin: () => grant.turns.begin(turn),
        async run(change) {
          if (grant.isActive) return grant.turns.run(turn, change);
          throw new DiskError('EPERM', `the right of job ${grant.job} to write to ${grant.disk} has ended`);
        },
      };
    }
    return undefined;
  }

  list(): readonly Grant[] {
    return [...this.#byDisk.values()];
  }

  #remove(grant: HeldGrant): void {
    clearTimeout(grant.expiry);
    grant.isActive = false;
    if (this.#byDisk.get(grant.disk) === grant) this.#byDisk.delete(grant.disk);
  }
}

function addName(grant: HeldGrant): void {
  const { disk, names } = grant;
  const [oldest] = names.keys();
  const [newest = 0] = [...names.values()].slice(-1);
  grant.exportName = `${disk}${SEPARATOR}${randomBytes(TOKEN_BYTES).toString('base64url')}`;
  names.set(grant.exportName, newest + 1);
  if (names.size > MAX_NAMES && oldest !== undefined) names.delete(oldest);
}

/** Whether it is, or once was, the name of an export that can be written. */
export function isGrantName(exportName: string): boolean {
  return exportName.includes(SEPARATOR);
}

function refuseOthers({ disk, peer, job }: Grant, asking: Peer, jobOfAsking: string): void {
  if (peer.id === asking.id && job === jobOfAsking) return;
  throw new AccessError(
    'GRANT_TAKEN',
    `${disk} is written by job ${job} of ${peer.name}; wait until it has ended, or end it there`,
  );
}

/** What a peer says is shown on a screen: it must fit there, and must not steer the terminal. */
function checkText(what: string, text: string, maxLength: number): void {
  if (text.trim() !== '' && text.length <= maxLength && !/\p{C}/u.test(text)) return;
  throw new AccessError(
    'GRANT_INVALID',
    `the ${what} of a grant must be a line of 1 to ${maxLength} printable characters`,
  );
}
