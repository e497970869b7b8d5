import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { findByArgument, isRunning } from '@diskferry/system/process-identity';
import { run } from '@diskferry/system/run';
import { openSession, type Session } from '@diskferry/system/session';
import { runCli } from '../testing/cli-process.ts';
import { heldProcesses, leftovers } from '../testing/leftovers.ts';
import { type NetNamespace, openNamespace } from './testing/net-namespace.ts';
import {
  type AskedQuestion,
  askDhcp,
  eventually,
  fetchThere,
  makePxeFolders,
  type PxeFolders,
  type PxeProcess,
  startPxe,
} from './testing/pxe-process.ts';
import { FOREIGN_ADDRESS, FOREIGN_BOOT_FILE, openWire, startForeignDhcp } from './testing/test-wire.ts';

const OURS = '10.77.0.3';
/** A machine that has its address already. */
const LOADING = '10.77.0.51';
const ELSEWHERE = '10.78.0.3';
const BOTH = [FOREIGN_ADDRESS, OURS];
const UUID = '11223344-5566-7788-99aa-bbccddeeff00';
/** As SMBIOS stores it, and as its text has it. */
const UUID_STORED = '443322116655887799aabbccddeeff00';
const UUID_AS_TEXT = '112233445566778899aabbccddeeff00';

/** A server with two cards: one in a network with a DHCP server of somebody else, one in another network. */
interface Site {
  readonly session: Session;
  readonly server: NetNamespace;
  /** Has no address yet. */
  readonly machine: NetNamespace;
  /** Has one, as iPXE has when it loads. */
  readonly loading: NetNamespace;
  /** In the other network. */
  readonly stranger: NetNamespace;
}

async function openSite(session: Session, withForeignDhcp = true): Promise<Site> {
  const wire = await openWire(session, 'the wire');
  const other = await openWire(session, 'another wire');
  const [server, machine, loading, stranger] = await Promise.all(
    ['server', 'machine', 'loading machine', 'stranger'].map((name) => openNamespace(session, name)),
  );
  assert.ok(server && machine && loading && stranger);
  await wire.plug(server, 'eth0', `${OURS}/24`);
  await other.plug(server, 'eth1', `${ELSEWHERE}/24`);
  await wire.plug(machine, 'eth0');
  // A machine without an address may send to everybody only if there is a way.
  await machine.ip('route', 'add', 'default', 'dev', 'eth0');
  await wire.plug(loading, 'eth0', `${LOADING}/24`);
  await other.plug(stranger, 'eth0', '10.78.0.9/24');
  await stranger.ip('route', 'add', 'default', 'via', ELSEWHERE);
  if (withForeignDhcp) await startForeignDhcp(session, wire);
  return { session, server, machine, loading, stranger };
}

/** How long a machine may take to load a file of some thousand blocks, in s. */
const LOADING_S = 120;
/** How long one waits that gets no answer, in s. */
const SILENCE_S = 5;

/** Loads a file by TFTP, from the port of what depends on the machine; undefined where it does not get it. */
async function loadByTftp(
  { folder }: Session,
  where: NetNamespace,
  name: string,
  { port = ['7480'], boundS = LOADING_S }: { port?: readonly string[]; boundS?: number } = {},
): Promise<Buffer | undefined> {
  const path = join(folder, 'loaded');
  rmSync(path, { force: true });
  const load = ['busybox', 'tftp', '-g', '-r', name, '-l', path, OURS, ...port] as const;
  const command = ['timeout', String(boundS), ...load] as const;
  const { exitCode } = await run([...where.enter, ...command], { okExitCodes: [0, 1, 124, 143] });
  return exitCode === 0 ? readFileSync(path) : undefined;
}

const session = openSession('pxe-test');
after(async () => session[Symbol.asyncDispose]());

/** Machines of their own, since a machine that asked is silent in the log for a minute. */
let machines = 0;
function newMac(): string {
  return `52:54:00:aa:00:${(++machines).toString(16).padStart(2, '0')}`;
}

describe('beside the DHCP server of somebody else', () => {
  let folders: PxeFolders & Disposable;
  let site: Site;
  let pxe: PxeProcess;
  before(async () => {
    folders = makePxeFolders();
    site = await openSite(session);
    pxe = await startPxe(session, folders, site.server, ['--interface', 'eth0']);
  });
  after(async () => {
    pxe.process.signalGroup('SIGTERM');
    const { exitCode } = await pxe.process.ended;
    assert.equal(exitCode, 0);
    assert.deepEqual(await leftovers(folders.run, []), []);
    folders[Symbol.dispose]();
  });

  /** What our server tells a machine to load; undefined without an answer. */
  const bootFile = async (
    mac: string,
    question: Partial<AskedQuestion> = {},
  ): Promise<string | undefined> => {
    const replies = await askDhcp(site.machine, { mac, awaited: [FOREIGN_ADDRESS], ...question });
    const theirs = replies.find(({ from }) => from === FOREIGN_ADDRESS);
    assert.match(theirs?.yourAddress ?? '', /^10\.77\.0\./, 'the address comes from the other server');
    assert.equal(theirs?.bootFile, FOREIGN_BOOT_FILE);
    const ours = replies.find(({ from }) => from === OURS);
    if (ours === undefined) return undefined;
    assert.equal(ours.yourAddress, '0.0.0.0', 'we hand out no address');
    if (ours.bootFile !== '') assert.equal(ours.nextServer, OURS);
    assert.equal(ours.vendorClass, question.vendorClass ?? 'PXEClient');
    return ours.bootFile;
  };

  test('a machine that nobody named gets no answer of ours, and the log says so', async () => {
    const mac = newMac();
    assert.equal(await bootFile(mac), undefined);
    await pxe.logged((line) => line['event'] === 'unanswered' && line['mac'] === mac);
  });

  test('a machine gets its address from the other server, and what it boots from ours', async () => {
    const mac = newMac();
    await pxe.decide('allow', mac);
    const ask = async (question: Partial<AskedQuestion>): Promise<string | undefined> =>
      bootFile(mac, { awaited: BOTH, ...question });
    assert.equal(await ask({}), 'undionly.kpxe');
    assert.equal(await ask({ architecture: 7 }), 'snponly.efi');
    assert.equal(await ask({ architecture: 9 }), 'snponly.efi');
    const http = await ask({ architecture: 16, vendorClass: 'HTTPClient' });
    assert.equal(http, `http://${OURS}:7480/loader/snponly.efi`);
  });

  test('iPXE is told to ask at the port of boot servers, and to believe that more than the other server', async () => {
    const mac = newMac();
    await pxe.decide('allow', mac);
    for (const architecture of [0, 7]) {
      assert.equal(await bootFile(mac, { isIpxe: true, architecture, awaited: BOTH }), '');
      const question = { mac, architecture, awaited: [OURS], bootServer: OURS };
      const [script] = await askDhcp(site.loading, { ...question, isIpxe: true });
      assert.equal(script?.bootFile, `http://${OURS}:7480/ipxe`);
      assert.equal(script.nextServer, OURS);
      assert.equal(script.ipxePriority, 1);
      const [loader] = await askDhcp(site.loading, question);
      assert.equal(loader?.bootFile, architecture === 0 ? 'undionly.kpxe' : 'snponly.efi');
    }
  });

  test('a machine of another architecture gets no answer, whatever its rule says', async () => {
    const mac = newMac();
    await pxe.decide('allow', mac);
    // 11 is 64-bit ARM.
    assert.equal(await bootFile(mac, { architecture: 11 }), undefined);
    assert.equal(await bootFile(mac, { awaited: BOTH }), 'undionly.kpxe');
  });

  test('rules change while the server runs', async () => {
    const mac = newMac();
    assert.equal(await bootFile(mac), undefined);
    await pxe.decide('local', mac);
    assert.equal(await bootFile(mac, { awaited: BOTH }), 'undionly.kpxe');
    await pxe.decide('forget', mac);
    await eventually(async () => (await bootFile(mac)) === undefined || undefined, 'it is answered still');
  });

  test('a machine is known by its UUID, in both orders of bytes; a rule for its card counts more', async () => {
    const [first, second] = [newMac(), newMac()];
    await pxe.decide('allow', UUID);
    assert.equal(await bootFile(first, { uuidBytes: UUID_STORED, awaited: BOTH }), 'undionly.kpxe');
    assert.equal(await bootFile(second, { uuidBytes: UUID_AS_TEXT, awaited: BOTH }), 'undionly.kpxe');
    await pxe.decide('ignore', first);
    await eventually(
      async () => (await bootFile(first, { uuidBytes: UUID_STORED })) === undefined || undefined,
      'it is answered still',
    );
    assert.equal(await bootFile(second, { uuidBytes: UUID_STORED, awaited: BOTH }), 'undionly.kpxe');
    await pxe.decide('forget', UUID);
  });

  test('the first loader comes by TFTP, byte for byte', async () => {
    const path = join(session.folder, 'undionly.kpxe');
    const file = (name: string) => ['busybox', 'tftp', '-g', '-r', name, '-l', path, OURS] as const;
    await run([...site.loading.enter, ...file('undionly.kpxe')]);
    assert.deepEqual(readFileSync(path), readFileSync('/usr/lib/ipxe/undionly.kpxe'));
    await assert.rejects(run([...site.loading.enter, ...file('../../etc/hostname')]));
    // The other network has a way to this address, and must not get anything there.
    await assert.rejects(run([...site.stranger.enter, 'timeout', '5', ...file('undionly.kpxe')]));
  });

  test('a machine in another network gets no answer, by DHCP or HTTP', async () => {
    const mac = newMac();
    await pxe.decide('allow', mac);
    const broadcast = { mac, awaited: [OURS], patienceMs: 3_000 };
    assert.deepEqual(await askDhcp(site.stranger, broadcast), []);
    const atPort = { mac, awaited: [OURS], bootServer: OURS, isIpxe: true, patienceMs: 3_000 };
    assert.deepEqual(await askDhcp(site.stranger, atPort), []);
    for (const address of [OURS, ELSEWHERE]) {
      assert.equal((await fetchThere(site.stranger, `http://${address}:7480/ipxe`)).status, 0, address);
    }
    // The same question on the right wire is answered.
    assert.equal(await bootFile(mac, { awaited: BOTH }), 'undionly.kpxe');
  });

  describe('over HTTP', () => {
    const base = `http://${OURS}:7480`;
    const get = async (path: string): Promise<{ status: number; text: string; body: Buffer }> => {
      const { status, body } = await fetchThere(
        site.loading,
        path.startsWith('http') ? path : `${base}${path}`,
      );
      return { status, body, text: body.toString() };
    };
    const scriptOf = async (mac: string, rest = ''): Promise<string> =>
      (await get(`/machine?mac=${mac.replaceAll(':', '-')}&platform=pcbios${rest}`)).text;

    test('the first script asks again, with what the machine knows of itself', async () => {
      const { text } = await get('/ipxe');
      assert.match(
        text,
        /^#!ipxe\nchain --replace http:\/\/10\.77\.0\.3:7480\/machine\?mac=\$\{netX\/mac:hexhyp\}&/,
      );
    });

    test('a machine that is allowed gets kernel and initrd, and is then said to have booted', async () => {
      const mac = newMac();
      await pxe.decide('allow', mac);
      const script = await scriptOf(mac, `&uuid=${UUID}&manufacturer=QEMU&product=Q35+ICH9`);
      const [, kernel] = /^kernel (\S+) .*initrd=initrd/m.exec(script) ?? [];
      const [, initrd] = /^initrd --name initrd (\S+)/m.exec(script) ?? [];
      assert.ok(kernel !== undefined && initrd !== undefined, script);
      assert.deepEqual((await get(kernel)).body, folders.kernel);
      assert.deepEqual((await get(initrd)).body, folders.initrd);
      const asked = await pxe.logged((line) => line['event'] === 'asked' && line['mac'] === mac);
      const { decision, by, address, uuid, firmware, product } = asked;
      assert.deepEqual(
        { decision, by, address, uuid, firmware, product },
        {
          decision: 'boot',
          by: 'mac',
          address: LOADING,
          uuid: UUID,
          firmware: 'bios',
          product: 'Q35+ICH9',
        },
      );
      await pxe.logged((line) => line['event'] === 'booted' && line['mac'] === mac);
    });

    test('kernel and initrd are for the machine that was allowed, at its address', async () => {
      const mac = newMac();
      await pxe.decide('allow', mac);
      const [, initrd = ''] = /^initrd --name initrd (\S+)/m.exec(await scriptOf(mac)) ?? [];
      assert.equal((await get(initrd.replace(/\/boot\/[^/]+/, '/boot/guessed'))).status, 403);
      // The server itself has another address.
      assert.equal((await fetchThere(site.server, initrd)).status, 403);
      assert.equal((await get(initrd)).status, 200);
    });

    test('a machine that is allowed once starts from its own disk after that', async () => {
      const mac = newMac();
      await pxe.decide('allow', mac, '--once');
      const script = await scriptOf(mac);
      // Asking is not booting: the network may fail in between.
      assert.match(await scriptOf(mac), /^kernel /m);
      const [, initrd = ''] = /^initrd --name initrd (\S+)/m.exec(script) ?? [];
      await get(initrd);
      await pxe.logged((line) => line['event'] === 'booted' && line['mac'] === mac);
      assert.match(await scriptOf(mac), /sanboot --no-describe --drive 0x80/);
    });

    test('a machine that is refused gets no files, and its screen says why', async () => {
      const mac = newMac();
      await pxe.decide('refuse', mac);
      const script = await scriptOf(mac);
      assert.match(script, /does not start this computer/);
      assert.doesNotMatch(script, /kernel|initrd/);
      // By its address one can ask even without having been answered.
      assert.match(await scriptOf(newMac()), /does not start this computer/);
    });

    test('what is no question of a machine is refused', async () => {
      assert.equal((await get('/machine?mac=nonsense')).status, 400);
      assert.equal((await get('/boot/x/../../etc/passwd')).status, 404);
      assert.equal((await get('/loader/..%2fhosts')).status, 404);
      assert.equal((await get('/')).status, 404);
    });
  });

  describe('for machines with Secure Boot', () => {
    const grubAsks = async (
      name: string,
      where = site.loading,
      boundS?: number,
    ): Promise<string | undefined> => {
      const bytes = await loadByTftp(session, where, name, boundS === undefined ? {} : { boundS });
      return bytes?.toString();
    };
    const partsOf = (configuration: string | undefined) => {
      const [, kernel = '', words = ''] =
        /^if linux "\(tftp,10\.77\.0\.3:7480\)\/(\S+)" (.*); then$/m.exec(configuration ?? '') ?? [];
      const [, initrd = ''] =
        /if initrd "\(tftp,10\.77\.0\.3:7480\)\/(\S+)"; then/.exec(configuration ?? '') ?? [];
      return { kernel, initrd, words };
    };

    test('a rule says that a machine gets the signed loader, by its card or its UUID', async () => {
      const [first, second, third] = [newMac(), newMac(), newMac()];
      const uuidBytes = 'aabbccdd00000000000000000000cafe';
      await pxe.decide('allow', first, '--secure-boot');
      await pxe.decide('refuse', 'ddccbbaa-0000-0000-0000-00000000cafe', '--secure-boot');
      await pxe.decide('allow', third);
      const file = async (mac: string, architecture: number, more: Partial<AskedQuestion> = {}) =>
        bootFile(mac, { architecture, awaited: BOTH, ...more });
      assert.equal(await file(first, 7), 'shimx64.efi');
      assert.equal(await file(first, 9), 'shimx64.efi');
      assert.equal(await file(first, 0), 'undionly.kpxe');
      assert.equal(await file(second, 7, { uuidBytes }), 'shimx64.efi');
      assert.equal(await file(third, 7), 'snponly.efi');
      const [atPort] = await askDhcp(site.loading, {
        mac: first,
        architecture: 7,
        awaited: [OURS],
        bootServer: OURS,
      });
      assert.equal(atPort?.bootFile, 'shimx64.efi');
      await pxe.process.printed(/give --loading-addresses .* name 10\.77\.0\.3 as its next-server/);
    });

    test('shim, GRUB and what it reads first come from the usual port', async () => {
      assert.equal(
        (await loadByTftp(session, site.loading, 'shimx64.efi', { port: [] }))?.toString(),
        'shimx64.efi, made up',
      );
      assert.equal(
        (await loadByTftp(session, site.loading, 'grubx64.efi', { port: [] }))?.toString(),
        'grubx64.efi, made up',
      );
      const first = await loadByTftp(session, site.loading, 'grub/grub.cfg', { port: [] });
      assert.match(String(first), /source "\(tftp,10\.77\.0\.3:7480\)\/machine\/\$net_default_mac\/\$uuid"/);
    });

    test('a machine that is allowed once gets kernel and initrd, and is sent to its disk after that', async () => {
      const mac = newMac();
      await pxe.decide('allow', mac, '--once', '--secure-boot');
      const name = `/machine/${mac}/${UUID.toUpperCase()}`;
      const { kernel, initrd, words } = partsOf(await grubAsks(name));
      assert.match(words, /^'quiet' .*'console=ttyS0,115200'$/);
      assert.deepEqual(await loadByTftp(session, site.loading, kernel), folders.kernel);
      // Asking is not booting: the network may fail in between.
      assert.notEqual(partsOf(await grubAsks(name)).initrd, '');
      assert.deepEqual(await loadByTftp(session, site.loading, initrd), folders.initrd);
      const asked = await pxe.logged((line) => line['event'] === 'asked' && line['mac'] === mac);
      const { decision, by, uuid, firmware } = asked;
      assert.deepEqual(
        { decision, by, uuid, firmware },
        { decision: 'boot', by: 'mac', uuid: UUID, firmware: 'uefi' },
      );
      await pxe.logged((line) => line['event'] === 'booted' && line['mac'] === mac);
      assert.match(
        (await grubAsks(name)) ?? '',
        /starts from its own disk"\nfor loader in .*BOOTX64\.EFI; do$/m,
      );
      // Without an answer its firmware goes on by itself; on a BIOS iPXE sends it to the disk.
      await eventually(
        async () => (await bootFile(mac, { architecture: 7 })) === undefined || undefined,
        'it is answered still',
      );
      assert.equal(await bootFile(mac, { awaited: BOTH }), 'undionly.kpxe');
    });

    test('kernel and initrd are for the machine that was allowed, at its address', async () => {
      const mac = newMac();
      await pxe.decide('allow', mac, '--secure-boot');
      const { initrd } = partsOf(await grubAsks(`machine/${mac}/`));
      assert.equal(await grubAsks(initrd.replace(/^boot\/[^/]+/, 'boot/guessed')), undefined);
      assert.equal(await grubAsks(initrd, site.server), undefined);
      assert.equal(await grubAsks(`${initrd}/../../../etc/passwd`), undefined);
      assert.deepEqual(await loadByTftp(session, site.loading, initrd), folders.initrd);
    });

    test('a machine that is refused is told so, and gets no files; one of another network gets no answer', async () => {
      const mac = newMac();
      await pxe.decide('refuse', mac, '--secure-boot');
      for (const name of [mac, newMac()]) {
        const configuration = await grubAsks(`machine/${name}/${UUID}`);
        assert.match(configuration ?? '', /does not start this computer/);
        assert.doesNotMatch(configuration ?? '', /linux|initrd/);
      }
      assert.equal(await grubAsks('machine/nonsense/'), undefined);
      assert.equal(await grubAsks(`machine/${mac}/`, site.stranger, SILENCE_S), undefined);
    });
  });

  test('dnsmasq that was killed is started again', async () => {
    const mac = newMac();
    await pxe.decide('allow', mac);
    const [settings] = readdirSync(folders.run).map(
      (id) => `--conf-file=${join(folders.run, id, 'dnsmasq.conf')}`,
    );
    const [dnsmasq] = findByArgument(settings ?? '');
    assert.ok(dnsmasq);
    process.kill(dnsmasq.pid, 'SIGKILL');
    await pxe.process.printed(/dnsmasq ended \(SIGKILL\); it starts again/);
    assert.equal(await bootFile(mac, { awaited: BOTH }), 'undionly.kpxe');
    assert.equal(isRunning(dnsmasq), false);
  });

  test('a damaged file of rules is said, and what was decided before still counts', async () => {
    const mac = newMac();
    await pxe.decide('allow', mac);
    assert.equal(await bootFile(mac, { awaited: BOTH }), 'undionly.kpxe');
    const path = join(folders.state, 'pxe/machines.json');
    const good = readFileSync(path);
    writeFileSync(path, '{ "format": 1, "machines": { "');
    await pxe.process.printed(/what was decided before still counts: .*machines\.json cannot be understood/);
    assert.equal(await bootFile(mac, { awaited: BOTH }), 'undionly.kpxe');
    const { exitCode, stderr } = await pxe.decide('allow', newMac());
    assert.equal(exitCode, 1);
    assert.match(stderr, /cannot be understood/);
    writeFileSync(path, good);
  });

  test('a second server on the same interface is refused, and told who is there', async () => {
    const words = ['pxe', 'serve', '--interface', 'eth0', '--files', folders.files];
    const { exitCode, stderr } = await runCli(words, { env: folders.env, before: site.server.enter });
    assert.equal(exitCode, 2);
    assert.match(stderr, /UDP port \d+ is in use on eth0 by dnsmasq \(process \d+\)/);
  });
});

test('a computer gets the settings of its server behind the initrd, and programs hear of it', async () => {
  await using inner = openSession('pxe-test');
  using folders = makePxeFolders();
  const { server, loading } = await openSite(inner, false);
  const media = join(folders.state, 'media');
  await runCli(['enrol', 'lab', '--folder', media], { env: folders.env });
  const settings = ['--media', media, '--server', '10.77.0.3:7443'];
  const words = ['--interface', 'eth0', '--unknown', 'boot', '--json', ...settings];
  const pxe = await startPxe(inner, folders, server, words);
  const { body } = await fetchThere(loading, `http://${OURS}:7480/machine?mac=52-54-00-aa-bb-cc`);
  const [, initrd = ''] = /^initrd --name initrd (\S+)/m.exec(body.toString()) ?? [];
  const got = (await fetchThere(loading, initrd)).body;
  assert.deepEqual(got.subarray(0, folders.initrd.length), folders.initrd);
  const unpacked = join(inner.folder, 'unpacked');
  mkdirSync(unpacked);
  const archive = join(inner.folder, 'archive');
  writeFileSync(archive, got.subarray(folders.initrd.length));
  await run(['cpio', '--extract', '--quiet', `--file=${archive}`], { cwd: unpacked });
  const read = (name: string): string => readFileSync(join(unpacked, 'settings', name), 'utf8');
  assert.equal(read('server'), '10.77.0.3:7443\n');
  assert.equal(read('enrolment'), readFileSync(join(media, 'enrolment'), 'utf8'));
  assert.equal(read('ca.pem'), readFileSync(join(media, 'ca.pem'), 'utf8'));
  await pxe.logged(({ event }) => event === 'booted');
  pxe.process.signalGroup('SIGINT');
  const { stdout } = await pxe.process.ended;
  const events = stdout.trimEnd().split('\n');
  assert.deepEqual(
    events.map((line) => (JSON.parse(line) as { event: string }).event),
    ['asked', 'booted'],
  );
});

test('all further drivers come behind the initrd, where they were asked for', async () => {
  await using inner = openSession('pxe-test');
  using folders = makePxeFolders();
  const { server, loading } = await openSite(inner, false);
  const words = ['--interface', 'eth0', '--unknown', 'boot', '--extra-drivers'];
  const missing = ['pxe', 'serve', '--files', folders.files, ...words];
  const { exitCode, stderr } = await runCli(missing, { env: folders.env, before: server.enter });
  assert.equal(exitCode, 2);
  assert.match(stderr, /extra-drivers is missing: make it with/);
  const drivers = Buffer.from('an archive of drivers'.padEnd(64));
  writeFileSync(join(folders.files, 'extra-drivers'), drivers);
  const pxe = await startPxe(inner, folders, server, words);
  const { body } = await fetchThere(loading, `http://${OURS}:7480/machine?mac=52-54-00-aa-bb-cd`);
  const [, initrd = ''] = /^initrd --name initrd (\S+)/m.exec(body.toString()) ?? [];
  assert.deepEqual((await fetchThere(loading, initrd)).body, Buffer.concat([folders.initrd, drivers]));
  pxe.process.signalGroup('SIGINT');
  await pxe.process.ended;
});

test('where there is no other DHCP server, it hands out addresses to all and boots those that it shall', async () => {
  await using inner = openSession('pxe-test');
  using folders = makePxeFolders();
  const { server, machine } = await openSite(inner, false);
  const words = ['--interface', 'eth0', '--dhcp', '10.77.0.100-10.77.0.120'];
  const pxe = await startPxe(inner, folders, server, words);
  const ask = async (mac: string, question: Partial<AskedQuestion> = {}) => {
    const [reply] = await askDhcp(machine, { mac, awaited: [OURS], ...question });
    assert.match(reply?.yourAddress ?? '', /^10\.77\.0\.1[012]\d$/);
    assert.equal(reply?.hasRouter, false, 'no way out was asked for');
    return reply;
  };
  const mac = newMac();
  assert.equal((await ask(mac))?.bootFile, '');
  await pxe.decide('allow', mac);
  await eventually(
    async () => (await ask(mac))?.bootFile === 'undionly.kpxe' || undefined,
    'the rule does not count',
  );
  const http = await ask(mac, { architecture: 16, vendorClass: 'HTTPClient' });
  assert.equal(http?.vendorClass, 'HTTPClient');
  assert.equal(http?.bootFile, `http://${OURS}:7480/loader/snponly.efi`);
  pxe.process.signalGroup('SIGINT');
  assert.equal((await pxe.process.ended).exitCode, 0);
  assert.deepEqual(await leftovers(folders.run, []), []);
});

test('a machine with Secure Boot gets an address of ours while it loads, and nobody else does', async () => {
  await using inner = openSession('pxe-test');
  using folders = makePxeFolders();
  const { server, machine } = await openSite(inner);
  const range = ['--loading-addresses', '10.77.0.210-10.77.0.220'];
  const words = ['--interface', 'eth0', '--unknown', 'boot', '--secure-boot', ...range];
  const pxe = await startPxe(inner, folders, server, words);
  const ask = async (mac: string, question: Partial<AskedQuestion> = {}) => {
    const replies = await askDhcp(machine, { mac, awaited: BOTH, architecture: 7, ...question });
    return replies.find(({ from }) => from === OURS);
  };
  const mac = newMac();
  const offer = await ask(mac);
  assert.match(offer?.yourAddress ?? '', /^10\.77\.0\.2[12]\d$/);
  assert.equal(offer?.bootFile, 'shimx64.efi');
  assert.equal(offer?.nextServer, OURS);
  assert.equal(offer?.hasRouter, false);
  for (const question of [{ architecture: 0 }, { isIpxe: true }]) {
    assert.equal((await ask(newMac(), question))?.yourAddress, '0.0.0.0', JSON.stringify(question));
  }
  const overHttp = { architecture: 16, vendorClass: 'HTTPClient', awaited: [FOREIGN_ADDRESS] } as const;
  assert.equal(await ask(newMac(), overHttp), undefined, 'there is no signed loader for HTTP');
  await pxe.decide('ignore', mac);
  await eventually(
    async () => ((await ask(mac, { patienceMs: 3_000 })) === undefined ? true : undefined),
    'it is answered',
  );
  pxe.process.signalGroup('SIGTERM');
  assert.equal((await pxe.process.ended).exitCode, 0);
  assert.deepEqual(await leftovers(folders.run, []), []);
});

test('what a killed server left is released by a clean-up', async () => {
  await using inner = openSession('pxe-test');
  using folders = makePxeFolders();
  const { server } = await openSite(inner, false);
  const pxe = await startPxe(inner, folders, server, ['--interface', 'eth0']);
  const [id = ''] = readdirSync(folders.run);
  const settings = join(folders.run, id, 'dnsmasq.conf');
  const [, publicFolder = ''] = /^tftp-root=(.*)$/m.exec(readFileSync(settings, 'utf8')) ?? [];
  assert.ok(existsSync(publicFolder));
  const [dnsmasq] = findByArgument(`--conf-file=${settings}`);
  assert.ok(dnsmasq);
  pxe.process.signalGroup('SIGKILL');
  await pxe.process.ended;
  assert.equal(isRunning(dnsmasq), true, 'nobody has ended it yet');
  const held = heldProcesses(folders.run);
  const { exitCode } = await runCli(['cleanup'], { env: folders.env });
  assert.equal(exitCode, 0);
  assert.equal(isRunning(dnsmasq), false);
  assert.equal(existsSync(publicFolder), false);
  assert.deepEqual(await leftovers(folders.run, held), []);
});

test('two interfaces of a server have a PXE server each', async () => {
  await using inner = openSession('pxe-test');
  using first = makePxeFolders();
  using second = makePxeFolders();
  const { server } = await openSite(inner, false);
  const servers = [
    await startPxe(inner, first, server, ['--interface', 'eth0']),
    await startPxe(inner, second, server, ['--interface', 'eth1']),
  ];
  for (const { process } of servers) {
    process.signalGroup('SIGTERM');
    assert.equal((await process.ended).exitCode, 0);
  }
});

describe('it is refused, and said what to do,', () => {
  let folders: PxeFolders & Disposable;
  let where: NetNamespace;
  before(async () => {
    folders = makePxeFolders();
    where = (await openSite(session, false)).server;
    await where.ip('link', 'add', 'bare', 'type', 'bridge');
    await where.ip('link', 'add', 'dark', 'type', 'bridge');
    await where.ip('address', 'add', '10.79.0.3/24', 'dev', 'dark');
  });
  after(() => folders[Symbol.dispose]());
  const refusal = async (
    words: readonly string[],
    options: Parameters<typeof runCli>[1] = {},
  ): Promise<string> => {
    const { exitCode, stderr } = await runCli(['pxe', 'serve', ...words], {
      env: folders.env,
      before: where.enter,
      ...options,
    });
    assert.notEqual(exitCode, 0);
    assert.deepEqual(readdirSync(folders.run), []);
    return stderr;
  };

  test('without an interface', async () => {
    assert.match(await refusal([]), /takes --interface IF/);
  });

  test('for an interface that is not there', async () => {
    assert.match(
      await refusal(['--interface', 'eth7']),
      /no network interface eth7 with machines; this server has .*eth0, eth1/,
    );
  });

  test('for an interface without an address', async () => {
    assert.match(await refusal(['--interface', 'bare']), /bare has no IPv4 address.*ip address add/);
  });

  test('for an interface that is down', async () => {
    assert.match(await refusal(['--interface', 'dark']), /dark is down; try: ip link set dark up/);
  });

  test('for an address that the interface does not have', async () => {
    const words = ['--interface', 'eth0', '--address', '10.77.0.4'];
    assert.match(await refusal(words), /eth0 does not have the address 10\.77\.0\.4; it has 10\.77\.0\.3/);
  });

  test('where the files of the secondary OS are missing', async () => {
    const words = ['--interface', 'eth0', '--files', folders.state];
    assert.match(await refusal(words), /initrd is missing: make it with "npm run build"/);
  });

  test('where the folder of the enrolment holds none', async () => {
    const words = ['--interface', 'eth0', '--files', folders.files, '--media', folders.files];
    assert.match(await refusal(words), /ca\.pem cannot be read/);
  });

  test('where the HTTP port is taken', async () => {
    const script = `require('node:net').createServer().listen(7480, '${OURS}', () => console.log('there'))`;
    const [program, ...rest] = [...where.enter, process.execPath, '--eval', script] as const;
    const other = spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await once(other.stdout, 'data');
      const words = ['--interface', 'eth0', '--files', folders.files];
      assert.match(await refusal(words), /TCP port 7480 of 10\.77\.0\.3 cannot be used.*--http-port/);
    } finally {
      other.kill();
    }
  });

  test('where Secure Boot is wanted and the signed loaders are missing', async () => {
    rmSync(join(folders.files, 'shimx64.efi'));
    const words = ['--interface', 'eth0', '--files', folders.files, '--secure-boot'];
    assert.match(await refusal(words), /has no signed loaders \(shimx64\.efi, grubx64\.efi\).*npm run build/);
  });

  test('where the UDP port of GRUB is taken', async () => {
    const script = `require('node:dgram').createSocket('udp4').bind(7480, '${OURS}', () => console.log('there'))`;
    const [program, ...rest] = [...where.enter, process.execPath, '--eval', script] as const;
    const other = spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await once(other.stdout, 'data');
      const words = ['--interface', 'eth0', '--files', folders.files];
      assert.match(await refusal(words), /UDP port 7480 of 10\.77\.0\.3 cannot be used.*--http-port/);
    } finally {
      other.kill();
    }
  });

  test('without dnsmasq', async () => {
    const words = ['--interface', 'eth0', '--files', folders.files];
    const text = await refusal(words, { withoutProgram: '/usr/sbin/dnsmasq' });
    assert.match(text, /missing on this server: dnsmasq .*apt-get install dnsmasq-base/);
  });

  for (const [what, words, expected] of [
    [
      'a range of addresses of another network',
      ['--dhcp', '10.79.0.1-10.79.0.9'],
      /10\.79\.0\.1 is not in the network/,
    ],
    ['a range with our own address', ['--dhcp', '10.77.0.1-10.77.0.9'], /this server's own address/],
    ['a range that is none', ['--dhcp', '10.77.0.100'], /--dhcp takes two addresses/],
    ['a range that ends before it begins', ['--dhcp', '10.77.0.9-10.77.0.8'], /ends before it begins/],
    [
      'addresses for loading where all are handed out',
      ['--dhcp', '10.77.0.7-10.77.0.9', '--loading-addresses', '10.77.0.10-10.77.0.12'],
      /--loading-addresses are for where there is another DHCP server/,
    ],
    ['a gateway without a range', ['--gateway', '10.77.0.1'], /--gateway belongs to --dhcp/],
    ['a server without an enrolment', ['--server', 'here:7443'], /--server needs --media/],
    [
      'kernel words that iPXE would take for its own',
      ['--kernel-words', 'a ${net0/mac}'],
      /--kernel-words takes letters/,
    ],
  ] as const) {
    test(`for ${what}`, async () => {
      const all = ['--interface', 'eth0', '--files', folders.files, ...words];
      assert.match(await refusal(all), expected);
    });
  }
});
