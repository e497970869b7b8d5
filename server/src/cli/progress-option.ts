import { choiceOption, type CliOption, type Invocation } from './command.ts';

const PROGRESS_FORMS = ['lines', 'json'] as const;

export const PROGRESS_OPTION: CliOption = {
  name: 'progress',
  value: 'FORM',
  help: 'lines (default), or json: for programs, one object in each line',
};

/** @throws {UsageError} */
export function wantsJsonProgress(invocation: Invocation): boolean {
  return choiceOption(invocation, 'progress', PROGRESS_FORMS) === 'json';
}
