/**
 * A word for the kernel of an emulated computer. While it starts, Linux counts interrupts of the timer against the counter of the
 * processor; on a busy host too few come in time, and it says that the timer does not work and panics.
 */
export const EMULATION_WORD = 'no_timer_check';
