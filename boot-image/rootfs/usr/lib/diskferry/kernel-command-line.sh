# Words of the kernel command line. Sourced.

KERNEL_COMMAND_LINE=${KERNEL_COMMAND_LINE:-/proc/cmdline}

# Whether the word $1 stands on the kernel command line.
has_word() {
  for word in $(cat "$KERNEL_COMMAND_LINE"); do
    [ "$word" != "$1" ] || return 0
  done
  return 1
}

# The values of all "$1=VALUE", one a line.
values_of() {
  for word in $(cat "$KERNEL_COMMAND_LINE"); do
    case $word in
      "$1"=*) echo "${word#*=}" ;;
    esac
  done
}
