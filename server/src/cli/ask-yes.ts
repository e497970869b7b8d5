import { askLine } from './ask-line.ts';

/** Whether there is somebody who can be asked. */
export function canAsk(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

/** Asks a question whose only good answer is "yes". @throws the reason of the signal */
export async function askYes(question: string, signal: AbortSignal): Promise<boolean> {
  const answer = await askLine(`${question} Type yes: `, { signal });
  return answer?.trim().toLowerCase() === 'yes';
}
