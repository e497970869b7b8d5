import { DiskferryError } from '@diskferry/system/errors';

/**
 * A file system could not be read, made or filled. Codes: `READ_FAILED`, `DESTINATION_FULL`, `TWIN_DIFFERS`,
 * `DEVICE_BUSY`, `DAMAGED`.
 */
export class FileSystemError extends DiskferryError {}
