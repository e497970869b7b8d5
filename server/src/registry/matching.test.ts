import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { type Known, type Match, matchComputer } from './matching.ts';
import { inventoryOf, type MadeUpComputer, office } from './testing/inventories.ts';
import { type Trait, TRAIT_WEIGHTS, type TraitKind, traitsOf } from './traits.ts';

function known(id: string, computer: MadeUpComputer): Known {
  return { id, name: id, traits: traitsOf(inventoryOf(computer)) };
}

function match(seen: MadeUpComputer, ...ones: Known[]): Match {
  return matchComputer(traitsOf(inventoryOf(seen)), ones);
}

/** A computer without serial numbers, as small makers build them. */
const PLAIN: MadeUpComputer = {
  uuid: '1f0a2b3c-4d5e-4f60-8182-93a4b5c6d7e8',
  nics: [{ mac: 'd8:9e:f3:0a:00:01' }],
  disks: [{ wwn: '0x5002538e00000001' }],
};
/** A virtual machine of libvirt. */
const VIRTUAL: MadeUpComputer = { uuid: PLAIN.uuid!, nics: [{ mac: '52:54:00:aa:00:01', bus: 'virtio' }] };

// The table of docs/registry.md, in its order.
describe('worked cases', () => {
  const a = known('a', office(1));
  const b = known('b', office(2));

  test('unchanged: same', () => {
    assert.deepEqual(match(office(1), a, b), { kind: 'same', id: 'a' });
  });

  test('never seen: new', () => {
    assert.deepEqual(match(office(3), a, b), { kind: 'new' });
  });

  test('disk swapped: same, with serial numbers and without', () => {
    const disks = [{ wwn: '0x5002538e000000ff' }];
    assert.deepEqual(match({ ...office(1), disks }, a, b), { kind: 'same', id: 'a' });
    assert.deepEqual(match({ ...PLAIN, disks }, known('p', PLAIN)), { kind: 'same', id: 'p' });
  });

  test('disk taken over from another known computer: still itself', () => {
    assert.deepEqual(match({ ...office(1), disks: office(2).disks! }, a, b), { kind: 'same', id: 'a' });
  });

  test('only network card swapped: same where serial numbers speak for it, else doubtful', () => {
    const nics = [{ mac: 'd8:9e:f3:0b:00:09' }];
    assert.deepEqual(match({ ...office(1), nics }, a, b), { kind: 'same', id: 'a' });
    assert.equal(match({ ...PLAIN, nics }, known('p', PLAIN)).kind, 'doubtful');
  });

  test('one card of two swapped: same', () => {
    const nics = [{ mac: 'd8:9e:f3:0a:00:01' }, { mac: 'd8:9e:f3:0a:00:02' }];
    const changed = { ...PLAIN, nics: [nics[0]!, { mac: 'd8:9e:f3:0a:00:03' }] };
    assert.deepEqual(match(changed, known('p', { ...PLAIN, nics })), { kind: 'same', id: 'p' });
  });

  test('board replaced: doubtful, whether or not the service has written the old numbers into it', () => {
    const board = office(7);
    const blank = { ...board, disks: office(1).disks! };
    assert.equal(match(blank, a, b).kind, 'doubtful');
    const { serial, uuid } = office(1);
    assert.equal(match({ ...blank, serial: serial! }, a, b).kind, 'doubtful');
    assert.equal(match({ ...blank, serial: serial!, uuid: uuid! }, a, b).kind, 'doubtful');
  });

  test('laptop in a dock: same, and two laptops at one dock stay two', () => {
    const dock = { mac: '00:50:b6:01:02:03', bus: 'usb' };
    const laptop = (n: number): MadeUpComputer => ({ ...office(n), nics: [...office(n).nics!, dock] });
    assert.deepEqual(match(laptop(1), a, b), { kind: 'same', id: 'a' });
    const bare = (n: number): MadeUpComputer => ({ ...office(n), nics: [dock] });
    assert.deepEqual(match(bare(2), known('a', bare(1))), { kind: 'new' });
  });

  test('cloned virtual machine, with its disk or without: doubtful, and the reasons say why', () => {
    const clone = { ...VIRTUAL, nics: [{ mac: '52:54:00:aa:00:02', bus: 'virtio' }] };
    assert.deepEqual(match(clone, known('v', VIRTUAL)), {
      kind: 'doubtful',
      candidates: [
        {
          id: 'v',
          name: 'v',
          agreeing: 60,
          contradicting: 70,
          reasons: [
            `Both have the SMBIOS UUID ${PLAIN.uuid}.`,
            'The MAC address is 52:54:00:aa:00:02 here, but 52:54:00:aa:00:01 at v.',
          ],
        },
      ],
    });
    const disks = [{ wwn: '0x6000c29000000001' }];
    assert.equal(match({ ...clone, disks }, known('v', { ...VIRTUAL, disks })).kind, 'doubtful');
  });

  test('virtual machine cloned with everything: same, because nobody can tell', () => {
    assert.deepEqual(match(VIRTUAL, known('v', VIRTUAL)), { kind: 'same', id: 'v' });
  });

  test('two computers with one bad UUID that is on the list: new', () => {
    const uuid = '03000200-0400-0500-0006-000700080009';
    assert.deepEqual(match({ ...office(2), uuid }, known('a', { ...office(1), uuid })), { kind: 'new' });
  });

  test('two computers with one bad UUID that is on no list: doubtful', () => {
    const { uuid } = office(1);
    assert.equal(match({ ...office(2), uuid: uuid! }, a).kind, 'doubtful');
  });

  test('two tablets with one bad UUID that is on no list, and their disks: doubtful', () => {
    const tablet = (n: number): MadeUpComputer => ({ uuid: PLAIN.uuid!, disks: office(n).disks! });
    assert.equal(match(tablet(2), known('a', tablet(1))).kind, 'doubtful');
  });

  test('disk swapped in a computer that is known by its card alone: same', () => {
    const plain = (n: number): MadeUpComputer => ({ nics: office(1).nics!, disks: office(n).disks! });
    assert.deepEqual(match(plain(2), known('a', plain(1))), { kind: 'same', id: 'a' });
  });

  test('of many with one bad UUID that is on no list, the ten best are shown', () => {
    const { uuid } = office(1);
    const many = Array.from({ length: 30 }, (_, n) => known(`m${n}`, { ...office(n + 10), uuid: uuid! }));
    const found = match({ ...office(2), uuid: uuid! }, ...many);
    assert.equal(found.kind === 'doubtful' && found.candidates.length, 10);
  });

  test('cards moved from one known computer to another: still itself', () => {
    const nics = [...office(1).nics!, ...office(2).nics!];
    assert.deepEqual(match({ ...office(1), nics }, a, b), { kind: 'same', id: 'a' });
  });

  test('a machine that says little fits two: doubtful, unless they were told apart and one fits', () => {
    const v = known('v', VIRTUAL);
    const w = known('w', { ...VIRTUAL, nics: [{ mac: '52:54:00:aa:00:02', bus: 'virtio' }] });
    const little = traitsOf(inventoryOf({ uuid: PLAIN.uuid! }));
    assert.equal(matchComputer(little, [v, w]).kind, 'doubtful');
    assert.deepEqual(matchComputer(little, [v, w], { areDifferent: () => true }), { kind: 'same', id: 'v' });
  });

  test('in its firmware, at a dock: the address of the dock speaks neither for nor against', () => {
    const traits: Trait[] = [
      { kind: 'uuid', value: PLAIN.uuid! },
      { kind: 'mac', value: '00:50:b6:01:02:03' },
    ];
    assert.deepEqual(matchComputer(traits, [known('p', PLAIN)], { partial: true }), {
      kind: 'same',
      id: 'p',
    });
  });
});

const kinds = Object.keys(TRAIT_WEIGHTS) as TraitKind[];
const aTrait = fc.record({ kind: fc.constantFrom(...kinds), value: fc.constantFrom('1', '2', '3', '4') });
const traitSet = fc.uniqueArray(aTrait, {
  selector: ({ kind, value }) => `${kind} ${value}`,
  minLength: 1,
  maxLength: 8,
});
const knownOnes = fc
  .uniqueArray(traitSet, { selector: keyOf, maxLength: 5 })
  .map((sets) => sets.map((traits, index): Known => ({ id: `c${index}`, name: `c${index}`, traits })));

function keyOf(traits: readonly Trait[]): string {
  return traits
    .map(({ kind, value }) => `${kind} ${value}`)
    .toSorted()
    .join();
}

describe('whatever the traits are', () => {
  test('their order and that of the known computers do not matter', () => {
    fc.assert(
      fc.property(traitSet, knownOnes, fc.boolean(), (traits, ones, partial) => {
        const turned = ones.map((one) => ({ ...one, traits: one.traits.toReversed() })).toReversed();
        assert.deepEqual(
          matchComputer(traits.toReversed(), turned, { partial }),
          matchComputer(traits, ones, { partial }),
        );
      }),
    );
  });

  test('a computer matches itself, whoever else is known', () => {
    fc.assert(
      fc.property(traitSet, knownOnes, (traits, ones) => {
        const others = ones.filter((one) => keyOf(one.traits) !== keyOf(traits));
        const itself = { id: 'itself', name: 'itself', traits };
        assert.deepEqual(matchComputer(traits, [...others, itself]), { kind: 'same', id: 'itself' });
      }),
    );
  });

  test('whoever has nothing in common is new', () => {
    fc.assert(
      fc.property(traitSet, knownOnes, (traits, ones) => {
        const strange = traits.map(({ kind, value }) => ({ kind, value: `other ${value}` }));
        assert.deepEqual(matchComputer(strange, ones), { kind: 'new' });
      }),
    );
  });

  test('one more thing in common never makes of the same computer another', () => {
    fc.assert(
      fc.property(traitSet, traitSet, aTrait, (traits, theirs, more) => {
        const one = (list: readonly Trait[]): Known => ({ id: 'a', name: 'a', traits: list });
        if (matchComputer(traits, [one(theirs)]).kind !== 'same') return;
        assert.equal(matchComputer([...traits, more], [one([...theirs, more])]).kind, 'same');
      }),
    );
  });
});

test('known bad values never make two machines one', () => {
  const bad: fc.Arbitrary<MadeUpComputer> = fc.record({
    uuid: fc.constantFrom(
      '00000000-0000-0000-0000-000000000000',
      '03000200-0400-0500-0006-000700080009',
      '00020003-0004-0005-0006-000700080009',
      '12345678-1234-5678-90ab-cddeefaabbcc',
    ),
    serial: fc.constantFrom('To be filled by O.E.M.', 'Default string', '0', '123456789'),
    boardSerial: fc.constantFrom('None', 'Base Board Serial Number', 'xxxxxxxx'),
    nics: fc.constantFrom(
      [{ mac: '88:88:88:88:87:88' }],
      [{ mac: '02:00:00:00:00:01' }],
      [{ mac: '00:50:b6:01:02:03', bus: 'usb' }],
    ),
    disks: fc.constantFrom(
      [{ model: 'QEMU HARDDISK', serial: 'QM00001' }],
      [{ model: 'Stick', serial: 'A1', removable: true }],
    ),
  });
  fc.assert(
    fc.property(bad, bad, (one, other) => {
      assert.deepEqual(match(other, known('a', one)), { kind: 'new' });
    }),
  );
});
