import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { DiskferryError, messageOf } from '@diskferry/system/errors';
import type { Computer, Computers } from './computers.ts';
import { type LocalSocket, offerLocalSocket } from './local-socket.ts';
import { computersFolder, diskFileName } from './run-folder.ts';

/** A computer that is gone may come back within this time and find its grant, in ms; as long as the client keeps it. */
const GRANT_GRACE_MS = 120_000;
const NAME_BYTES = 8;

/** Who wants to write to what, and why. */
export interface GrantRequest {
  readonly computer: string;
  readonly disk: string;
  /** Names the job for programs. */
  readonly job: string;
  /** Says to people in front of the computer what is done. */
  readonly description: string;
}

/** The right to write to a disk of a computer, while it is held. */
export interface HeldGrant {
  /** Speaks NBD and has the disk, writable, as its only export. */
  readonly socket: string;
  /** Why it has ended before it was given back. */
  readonly ended: Promise<string>;
  /** Also after it has ended: the socket goes away with it. */
  giveBack(): Promise<void>;
}

interface Grant {
  readonly request: GrantRequest;
  readonly fingerprint: string;
  /** The computer it is on and what the disk is called there; undefined while the computer is gone. */
  place: { readonly computer: Computer; readonly exportName: string } | undefined;
  readonly ended: PromiseWithResolvers<string>;
  timer: NodeJS.Timeout | undefined;
}

/** The grants that programs of this server hold on disks of managed computers. */
export class WriteGrants {
  readonly #computers: Computers;
  readonly #runFolder: string;
  readonly #graceMs: number;
  readonly #grants = new Set<Grant>();

  constructor(
    computers: Computers,
    {
      runFolder,
      graceMs = GRANT_GRACE_MS,
    }: { readonly runFolder: string; readonly graceMs?: number | undefined },
  ) {
    this.#computers = computers;
    this.#runFolder = runFolder;
    this.#graceMs = graceMs;
  }

  /**
   * Asks the computer for the right to write, and offers a socket that has it. Who asks again for the same job gets a new
   * socket instead of the old one: what may still come over connections of the old one is not written any more.
   *
   * @throws {DiskferryError} `COMPUTER_MISSING`; the code of the client's refusal
   */
  async take(request: GrantRequest): Promise<HeldGrant> {
    const computer = this.#computers.get(request.computer);
    const place = { computer, exportName: await askFor(computer, request) };
    const grant: Grant = {
      request,
      fingerprint: computer.fingerprint,
      place,
      ended: Promise.withResolvers<string>(),
      timer: undefined,
    };
    let socket: LocalSocket;
    try {
      socket = await offerLocalSocket(this.#socketPath(request), async () => openGranted(grant));
    } catch (error) {
      await giveBack(place, request.disk);
      throw error;
    }
    const older = this.#sameJob(request);
    if (older !== undefined) this.#end(older, 'it was asked for again');
    this.#grants.add(grant);
    this.#watch(grant, computer);
    return {
      socket: socket.path,
      ended: grant.ended.promise,
      giveBack: async () => {
        this.#forget(grant);
        await socket.close();
        const isLast = this.#sameJob(request) === undefined;
        if (isLast && grant.place !== undefined) await giveBack(grant.place, request.disk);
      },
    };
  }

  /** Gives the grants of a computer that has come back to it again. */
  async restore(computer: Computer): Promise<void> {
    for (const grant of this.#grants) {
      if (grant.place !== undefined || grant.request.computer !== computer.name) continue;
      if (grant.fingerprint === computer.fingerprint) await this.#renew(grant, computer);
      else this.#end(grant, 'the computer was started anew, and what was written may be lost');
    }
  }

  async #renew(grant: Grant, computer: Computer): Promise<void> {
    try {
      const exportName = await askFor(computer, grant.request);
      if (!this.#grants.has(grant)) return await giveBack({ computer }, grant.request.disk);
      clearTimeout(grant.timer);
      grant.place = { computer, exportName };
      this.#watch(grant, computer);
    } catch (error) {
      if (!computer.link.signal.aborted) this.#end(grant, messageOf(error));
    }
  }

  #watch(grant: Grant, computer: Computer): void {
    const onGone = (): void => {
      if (!this.#grants.has(grant)) return;
      grant.place = undefined;
      const tooLong = `the computer did not come back within ${this.#graceMs / 1000} s`;
      grant.timer = setTimeout(() => this.#end(grant, tooLong), this.#graceMs);
    };
    if (computer.link.signal.aborted) onGone();
    else computer.link.signal.addEventListener('abort', onGone, { once: true });
  }

  #sameJob({ computer, disk, job }: GrantRequest): Grant | undefined {
    return [...this.#grants].find(
      ({ request }) => request.computer === computer && request.disk === disk && request.job === job,
    );
  }

  #end(grant: Grant, why: string): void {
    this.#forget(grant);
    grant.ended.resolve(why);
  }

  #forget(grant: Grant): void {
    clearTimeout(grant.timer);
    this.#grants.delete(grant);
  }

  /** Outside the computer's folder, which is removed when the computer is gone; a grant may wait for it to come back. */
  #socketPath({ disk }: GrantRequest): string {
    const name = `${diskFileName(disk)}.${randomBytes(NAME_BYTES).toString('hex')}.write.sock`;
    return join(computersFolder(this.#runFolder), name);
  }
}

async function askFor(
  { link }: Computer,
  { disk, job, description }: Pick<GrantRequest, 'disk' | 'job' | 'description'>,
): Promise<string> {
  const { exportName } = await link.ask({ type: 'grant-write', disk, job, description });
  return exportName;
}

async function openGranted({ place, request }: Grant) {
  if (place !== undefined) return place.computer.openChannel(place.exportName);
  throw new DiskferryError('COMPUTER_GONE', `${request.computer} is not connected at the moment`);
}

async function giveBack({ computer }: { readonly computer: Computer }, disk: string): Promise<void> {
  // A computer that is gone ends the grant by itself.
  await computer.link.ask({ type: 'end-grant', disk }).catch(() => {});
}
