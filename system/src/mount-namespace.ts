import type { Command } from './run.ts';

/**
 * Lets go of the disks that this host has mounted, in a mount namespace that was made a moment ago. It began with a copy of
 * all mounts: a file system that somebody unmounts outside would stay alive in here, its last blocks unwritten and its
 * device in use, until the namespace ends.
 */
const LET_GO_OF_DISKS = `
root=$(findmnt --noheadings --output SOURCE /)
findmnt --raw --noheadings --output SOURCE | sort -u | while read -r source; do
  case "$source" in
  "$root") ;;
  /dev/loop* | /dev/nbd* | /dev/mapper/diskferry-*) umount --lazy --all-targets "$source" 2>/dev/null ;;
  esac
done
`;

/**
 * A command that runs a shell script in a mount namespace of its own, which keeps no disk of the host busy.
 *
 * @param options more options of unshare(1), such as `--net`
 */
export function inMountNamespace(
  script: string,
  words: readonly string[],
  options: readonly string[] = [],
): Command {
  return ['unshare', '--mount', ...options, 'sh', '-c', `${LET_GO_OF_DISKS}${script}`, 'sh', ...words];
}
