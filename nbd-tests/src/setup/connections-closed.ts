import { openFileNames, openFiles } from './process-facts.ts';
import { until } from './wait.ts';

/**
 * Waits until a process has no more open than before.
 *
 * @throws {Error} that names what is open
 */
export async function connectionsClosed(pid: number, files: number): Promise<void> {
  try {
    await until('all connections closed', () => openFiles(pid) <= files);
  } catch (cause) {
    const names = openFileNames(pid).join(' ');
    throw new Error(`process ${pid} had ${files} files open, and has now: ${names}`, { cause });
  }
}
