/** The shortest time between two reports, in ms. */
const REPORT_INTERVAL_MS = 200;

/** Passes reports on some five times a second at most; drops the others. */
export function throttled(report: (bytes: number) => void): (bytes: number) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (bytes) => {
    const now = performance.now();
    if (now - last < REPORT_INTERVAL_MS) return;
    last = now;
    report(bytes);
  };
}
