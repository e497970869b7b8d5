import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkRule, nameByPattern, type RuleConditions, ruleMatches } from './registration-rules.ts';
import { inventoryOf, office } from './testing/inventories.ts';

const inventory = inventoryOf(office(1));

function matches(conditions: RuleConditions, address = '192.0.2.7', enrolment = 'lab'): boolean {
  return ruleMatches(conditions, { inventory, address, enrolment });
}

test('a rule fits a computer that meets all of its conditions', () => {
  assert.equal(
    matches({ manufacturer: 'dell*', product: '*7060', enrolment: 'lab', macPrefix: 'D8:9E:F3' }),
    true,
  );
  assert.equal(matches({ manufacturer: 'dell*', product: '*7070' }), false);
  assert.equal(matches({ manufacturer: 'Dell' }), false, 'a text without * is the whole text');
  assert.equal(matches({ manufacturer: 'D.ll Inc.' }), false, 'a dot is a dot');
  assert.equal(matches({ enrolment: 'other' }), false);
  assert.equal(matches({ macPrefix: '00:11' }), false);
});

test('a rule can ask for the subnet, of IPv4 and IPv6', () => {
  assert.equal(matches({ subnet: '192.0.2.0/24' }), true);
  assert.equal(matches({ subnet: '192.0.2.0/24' }, '::ffff:192.0.2.7'), true);
  assert.equal(matches({ subnet: '192.0.2.0/24' }, '192.0.3.7'), false);
  assert.equal(matches({ subnet: '2001:db8::/64' }, '2001:db8::7'), true);
  assert.equal(matches({ subnet: '2001:db8::/64' }, '192.0.2.7'), false);
  assert.equal(ruleMatches({ subnet: '192.0.2.0/24' }, { inventory }), false);
});

test('names are made by a pattern, and are names', () => {
  assert.equal(nameByPattern('lab-{number:2}', inventory, 7), 'lab-07');
  assert.equal(nameByPattern('{product}-{serial}', inventory, 1), 'OptiPlex-7060-SVC000001');
  assert.equal(nameByPattern('pc-{serial}', inventory, 2), 'pc-SVC000001-2');
  assert.equal(nameByPattern('{mac}', inventory, 1), 'd8-9e-f3-00-00-01');
  assert.equal(nameByPattern('{uuid}', inventoryOf({}), 1), undefined);
  const long = `${'x'.repeat(60)}{number}`;
  assert.equal(nameByPattern(long, inventory, 1)?.length, 40);
  assert.match(nameByPattern(long, inventory, 12) ?? '', /^x{37}-12$/);
});

test('a rule that makes no sense is refused', () => {
  const refused: [RuleConditions, string, RegExp][] = [
    [{}, 'lab-{number}', /needs a condition/],
    [{ macPrefix: 'd8-9e' }, 'lab', /MAC/],
    [{ subnet: '192.0.2.0' }, 'lab', /subnet/],
    [{ subnet: '192.0.2.0/99' }, 'lab', /subnet/],
    [{ product: '*' }, 'lab-{room}', /\{serial\}/],
    [{ product: '*' }, ' ', /pattern/],
  ];
  for (const [conditions, pattern, message] of refused) {
    assert.throws(() => checkRule(conditions, pattern), { code: 'USAGE', message });
  }
  checkRule({ subnet: '2001:db8::/64' }, 'lab-{number:3}');
});
