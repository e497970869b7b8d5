import assert from 'node:assert/strict';
import test from 'node:test';
import { namePattern, parseSkippedNames } from './skipped-attributes.ts';

const CONFIGURATION = `# comment
system.posix_acl_access		permissions
trusted.SGI_DMI_*		skip		# xfs specific
security.evm			skip
`;

test('the attributes that libattr skips are read from its configuration', () => {
  assert.deepEqual(parseSkippedNames(CONFIGURATION), ['trusted.SGI_DMI_*', 'security.evm']);
});

test('shell patterns of names become one regular expression', () => {
  const pattern = new RegExp(namePattern(['trusted.SGI_DMI_*', 'security.evm']));
  assert.equal(pattern.test('trusted.SGI_DMI_ATTR'), true);
  assert.equal(pattern.test('security.evm'), true);
  assert.equal(pattern.test('security_evm'), false);
  assert.equal(pattern.test('user.security.evm'), false);
});
