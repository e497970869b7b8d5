import { InterruptedError, SIGNALS } from '../interrupted-error.ts';

/** A signal that is aborted by the first Ctrl-C, SIGTERM or SIGHUP. Later ones do not cut the release short. */
export function abortOnInterrupt(): AbortSignal {
  const controller = new AbortController();
  for (const signal of Object.keys(SIGNALS) as (keyof typeof SIGNALS)[]) {
    process.on(signal, () => controller.abort(new InterruptedError(signal)));
  }
  return controller.signal;
}
