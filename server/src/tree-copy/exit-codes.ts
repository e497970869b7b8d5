/** How the copier ends. */
export const EXIT_CODES = { done: 0, problems: 1, full: 3 } as const;
