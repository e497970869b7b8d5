import { detachFolder } from '../attach/attach-folder.ts';
import { type CliCommand, JSON_OPTION } from './command.ts';
import { print, printJson } from './output.ts';

export const detachCommand: CliCommand = {
  name: 'detach',
  operands: ['FOLDER'],
  summary: 'unmount and give back what attach made',
  options: [JSON_OPTION],
  async run({ positionals, flags }) {
    const [folder] = positionals as [string];
    await detachFolder(folder);
    if (flags.has('json')) printJson({ detached: folder });
    else print(`${folder} is detached`);
    return 0;
  },
};
