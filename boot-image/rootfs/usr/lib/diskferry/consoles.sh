# Where people look: the screen, the kernel's consoles and the first serial port. Sourced.

SERIAL_DEFAULT=ttyS0
SERIAL_SPEED=115200

# Prints the names of the terminals, one a line.
consoles() {
  {
    echo tty1
    for console in $(cat /sys/class/tty/console/active); do
      # tty0 is whichever virtual terminal is in front.
      [ "$console" = tty0 ] || echo "$console"
    done
    read -r type <"/sys/class/tty/$SERIAL_DEFAULT/type"
    # Type 0 is a serial port that is not there.
    [ "${type:-0}" = 0 ] || echo "$SERIAL_DEFAULT"
  } 2>/dev/null | sort -u
}

# The speed that the boot loaders and the kernel use; without waiting for a modem to pick up.
set_serial_speed() {
  stty -F "/dev/$SERIAL_DEFAULT" "$SERIAL_SPEED" clocal 2>/dev/null
}

# Copies lines from standard input to all of them. One that does not work must not silence the others.
say() {
  terminals=$(consoles)
  set_serial_speed
  while IFS= read -r line; do
    for terminal in $terminals; do
      printf '%s\n' "$line" 2>/dev/null >"/dev/$terminal"
    done
  done
}
