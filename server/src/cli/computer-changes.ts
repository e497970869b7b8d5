import { UsageError } from '@diskferry/system/errors';
import type { Action } from './action-command.ts';
import { tellDone } from './output.ts';

/** Causes that a person may give; all others are the server's own. */
const CAUSES = ['adopted', 'set-aside', 'withdrawn'];

/** Notes and tags of a computer. */
export const CHANGE_ACTION: Action = {
  operands: ['NAME'],
  help: 'change its notes or tags',
  options: ['notes', 'tag'],
  run: async ({ client, words: [id = ''], invocation: { values, lists, flags } }) => {
    const notes = values.get('notes');
    const tags = lists.get('tag')?.filter((tag) => tag !== '');
    if (notes === undefined && tags === undefined) {
      throw new UsageError('computers change takes --notes, --tag or both');
    }
    const computer = await (await client()).call('changeComputer', { id, body: { notes, tags } });
    const { name } = computer;
    return tellDone(computer, `${name}: tags ${computer.tags.join(', ') || 'none'}`, flags);
  },
};

/** What only a person knows of the state of a computer. */
export const STATE_ACTION: Action = {
  operands: ['NAME', CAUSES.join('|')],
  help: 'it has a system of its own, has none any more, or belongs here no longer',
  run: async ({ client, words: [id = '', cause = ''], invocation: { flags } }) => {
    if (!CAUSES.includes(cause)) {
      throw new UsageError(`computers state takes ${CAUSES.join(', ')}, not "${cause}"`);
    }
    const { state } = await (await client()).call('changeState', { id, body: { cause } });
    return tellDone({ computer: id, state }, `${id} is ${state} now`, flags);
  },
};
