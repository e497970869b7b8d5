import { DiskferryError } from '@diskferry/system/errors';

/**
 * A file system could not be read, made or filled. Codes: `READ_FAILED`, `DESTINATION_FULL` (while
 * copying), `UNSUITABLE` (before anything is written), `DEVICE_BUSY`, `DAMAGED`.
 */
export class FileSystemError extends DiskferryError {}
