# Loads drivers for the hardware that is there. Sourced.
# A driver can reveal further devices (a USB controller its disks), so passes follow until nothing new appears.

DRIVER_PASSES_MAX=60
DRIVER_QUIET_PASSES=3
DRIVER_PASS_PAUSE=0.2
DRIVERS_AT_ONCE=4
# Is there when the hardware of the start has its drivers.
DRIVERS_LOADED=/run/diskferry/drivers-loaded
MODALIASES=/run/diskferry/modaliases

# Loads the drivers of devices not seen before. Fails if there were none.
load_new_drivers() {
  # BusyBox grep finds nothing at all when the list of patterns is empty.
  [ -s "$MODALIASES" ] || echo none >"$MODALIASES"
  # Not the files "modalias": some buses, such as that of SD cards, only write it into the event.
  sed -n 's/^MODALIAS=//p' /sys/bus/*/devices/*/uevent /sys/class/input/*/uevent 2>/dev/null |
    sort -u | grep -vxFf "$MODALIASES" >"$MODALIASES.new"
  [ -s "$MODALIASES.new" ] || return 1
  cat "$MODALIASES.new" >>"$MODALIASES"
  # Most devices have no driver in this image: that is no error.
  tr '\n' '\0' <"$MODALIASES.new" | xargs -0 -n 24 -P "$DRIVERS_AT_ONCE" modprobe -a -q 2>/dev/null
  return 0
}

load_drivers_until_quiet() {
  quiet=0
  passes=0
  while [ "$quiet" -lt "$DRIVER_QUIET_PASSES" ] && [ "$passes" -lt "$DRIVER_PASSES_MAX" ]; do
    passes=$((passes + 1))
    if load_new_drivers; then
      quiet=0
    else
      quiet=$((quiet + 1))
      sleep "$DRIVER_PASS_PAUSE"
    fi
  done
}
