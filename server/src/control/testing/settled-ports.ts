import { stablePort } from '../../testing/stable-port.ts';

export interface SettledPorts {
  readonly port: number;
  readonly controlPort: number;
}

/** Two ports for an imaging client that is ended and started again on them; see `stablePort`. */
export async function settledPorts(): Promise<SettledPorts> {
  const port = await stablePort();
  for (;;) {
    const controlPort = await stablePort();
    if (controlPort !== port) return { port, controlPort };
  }
}
