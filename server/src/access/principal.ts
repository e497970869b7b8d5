import { AccessError, unauthenticated } from './access-error.ts';
import {
  type Action,
  includesScope,
  isAtLeast,
  PERMISSIONS,
  type Permission,
  type Role,
  type Scope,
} from './permissions.ts';

/** Who asks: a user, by one of his tokens. */
export interface Principal {
  readonly userId: string;
  readonly userName: string;
  readonly tokenId: string;
  readonly tokenName: string;
  /** The lesser of the user's and the token's. */
  readonly role: Role;
  /** What the token is limited to; no limit if absent. */
  readonly scopes?: readonly Scope[];
  /** ISO 8601. */
  readonly expiresAt?: string;
}

/** Whether somebody may do something. */
export function mayDo(principal: Principal, action: Action): boolean {
  const { role, scope } = permissionOf(action);
  return isAtLeast(principal.role, role) && includesScope(principal.scopes, scope);
}

/**
 * Refuses what somebody may not do.
 *
 * @param principal undefined for somebody who showed no token, or none that is valid
 * @throws {AccessError} `UNAUTHENTICATED` or `FORBIDDEN`, saying what is missing
 */
export function requirePermission(
  principal: Principal | undefined,
  action: Action,
): asserts principal is Principal {
  if (principal === undefined) throw unauthenticated();
  const { role, scope } = permissionOf(action);
  const { userName, tokenName } = principal;
  if (!isAtLeast(principal.role, role)) {
    throw new AccessError(
      'FORBIDDEN',
      `this needs the role ${role} (${action}); ${userName} has the role ${principal.role} with the token ${tokenName}`,
    );
  }
  if (!includesScope(principal.scopes, scope)) {
    throw new AccessError(
      'FORBIDDEN',
      `this needs a token with the scope ${scope} (${action}); the token ${tokenName} of ${userName} is limited to ` +
        (principal.scopes?.join(', ') || 'nothing'),
    );
  }
}

function permissionOf(action: Action): Permission {
  return PERMISSIONS[action];
}
