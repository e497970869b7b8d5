import manifest from '../package.json' with { type: 'json' };

/** Version of the imaging client, such as "0.1.0". */
export const VERSION = manifest.version;
