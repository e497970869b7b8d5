import type { Picture } from '../screen.ts';
import { statusText } from '../status.ts';
import { activityLines } from '../status-activity.ts';

/** Bytes that change all the time are shown every so many pictures. */
const PICTURES_PER_ACTIVITY = 2;
const COLUMNS = 79;

/** Prints what has changed, so that the lines can be kept and searched. */
export class LogView {
  readonly #print: (text: string) => void;
  readonly #keys: readonly string[] | undefined;
  #pictures = 0;
  #lastStatus = '';
  #lastActivity = '';

  constructor(print: (text: string) => void, keys?: readonly string[]) {
    this.#print = print;
    this.#keys = keys;
  }

  show(picture: Picture): void {
    const steady = statusText(picture.state, { keys: this.#keys, isSteady: true });
    if (steady !== this.#lastStatus) this.printStatus(picture);
    this.#lastStatus = steady;
    if (this.#pictures++ % PICTURES_PER_ACTIVITY === 0) this.#showActivity(picture);
  }

  /** In any case, as after Enter. */
  printStatus({ state }: Picture): void {
    this.#print(statusText(state, { keys: this.#keys }));
  }

  #showActivity({ state, activity }: Picture): void {
    const options = { columns: COLUMNS, disks: state.inventory.disks };
    const steady = activityLines(activity, { ...options, isSteady: true }).join('\n');
    if (steady !== this.#lastActivity) {
      for (const line of activityLines(activity, options)) this.#print(`${line}\n`);
    }
    this.#lastActivity = steady;
  }
}
