# Waits, never for long, until the client has something to show. Sourced, after drivers.sh.
# The client tells of disks and addresses that come later, so a slow one delays nothing but itself.

DRIVERS_WAIT_TICKS=150
DISKS_WAIT_TICKS=75
DISKS_CALM_TICKS=5
ADDRESS_WAIT_TICKS=40
TICK=0.2

# USB storage devices that have no disk yet: the kernel waits a second before it asks them.
pending_usb_disks() {
  for interface in /sys/bus/usb/drivers/usb-storage/*:* /sys/bus/usb/drivers/uas/*:*; do
    [ -e "$interface" ] || continue
    set -- "$interface"/host*/target*/*/block/*
    [ -e "$1" ] || echo "$interface"
  done
}

# keep-drivers leaves a file.
wait_for_drivers() {
  ticks=0
  while [ ! -e "$DRIVERS_LOADED" ] && [ "$ticks" -lt "$DRIVERS_WAIT_TICKS" ]; do
    ticks=$((ticks + 1))
    sleep "$TICK"
  done
}

wait_for_disks() {
  calm=0
  ticks=0
  before=
  while [ "$calm" -lt "$DISKS_CALM_TICKS" ] && [ "$ticks" -lt "$DISKS_WAIT_TICKS" ]; do
    now=$(echo /sys/block/*)
    if [ "$now" = "$before" ] && [ -z "$(pending_usb_disks)" ]; then calm=$((calm + 1)); else calm=0; fi
    before=$now
    ticks=$((ticks + 1))
    sleep "$TICK"
  done
}

# keep-network leaves a file for each network adapter that got its address.
wait_for_address() {
  ticks=0
  while [ "$ticks" -lt "$ADDRESS_WAIT_TICKS" ]; do
    set -- /run/diskferry/net/*.address
    [ ! -e "$1" ] || return 0
    ticks=$((ticks + 1))
    sleep "$TICK"
  done
}
