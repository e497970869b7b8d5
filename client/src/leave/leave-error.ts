/** The computer stays in the secondary OS. */
export class LeaveError extends Error {
  readonly code: 'LEAVE_FAILED' | 'LEAVE_REFUSED';

  constructor(message: string, options: ErrorOptions & { readonly code?: LeaveError['code'] } = {}) {
    super(message, options);
    this.code = options.code ?? 'LEAVE_FAILED';
  }
}
