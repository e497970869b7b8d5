/** What a step of a plan gets while it runs. */
export interface StepContext {
  /** Bytes of this step done so far. */
  readonly onProgress: (doneBytes: number) => void;
  /** Something was not carried over exactly, as a sentence. */
  readonly warn: (message: string) => void;
  readonly signal: AbortSignal;
}

/**
 * A piece of work that can say what it will do before it does it. The same list of steps gives the dry run, the
 * progress and the log.
 */
export interface Step {
  /** One line for people, such as `partition 1: make ext4 and copy 412 MB of files`. */
  readonly title: string;
  /** How much the step will move, in bytes; an estimate. */
  readonly bytes: number;
  run(context: StepContext): Promise<void>;
}

export interface StepListener {
  /** Called before each step. */
  readonly onStep: (step: Step) => void;
  /** Called with the bytes done by all steps so far. */
  readonly onProgress: (doneBytes: number) => void;
  readonly onWarning: (message: string) => void;
}

/** Runs the steps in order; stops at the first that fails, or before the next one when aborted. */
export async function runSteps(
  steps: readonly Step[],
  listener: StepListener,
  signal: AbortSignal,
): Promise<void> {
  let doneBefore = 0;
  for (const step of steps) {
    signal.throwIfAborted();
    listener.onStep(step);
    const base = doneBefore;
    await step.run({
      onProgress: (doneBytes) => listener.onProgress(base + Math.min(doneBytes, step.bytes)),
      warn: listener.onWarning,
      signal,
    });
    doneBefore += step.bytes;
    listener.onProgress(doneBefore);
  }
}
