# What somebody has set for a network adapter at the screen. Sourced by keep-network, after network-state.sh.
# /run/diskferry/network-settings/ADAPTER holds one line, where "-" is nothing:
#   static ADDRESS/PREFIX GATEWAY SERVER[,SERVER] VLAN
#   dhcp - - - VLAN
# client/src/console/network-settings.ts writes them, and has checked the words.

SETTINGS=${NETWORK_SETTINGS:-/run/diskferry/network-settings}
RESOLV_CONF=${RESOLV_CONF:-/etc/resolv.conf}

# Whether there are settings for the adapter $1 that are not in force yet.
has_new_settings() {
  [ -r "$SETTINGS/$1" ] || return 1
  [ ! -r "$STATE/$1.settings" ] || ! cmp -s "$SETTINGS/$1" "$STATE/$1.settings"
}

# Takes everything from the adapter $1 that it has: DHCP client, VLAN, addresses, name servers.
clear_adapter() {
  if [ -e "$STATE/$1.dhcp" ]; then
    read -r pid <"$STATE/$1.dhcp"
    kill "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
  fi
  rm -f "$STATE/$1.dhcp" "$STATE/$1.device" "$STATE/$1.address" "$STATE/$1.unplugged"
  for path in "/sys/class/net/$1".*; do
    [ ! -e "$path" ] || ip link del "${path##*/}"
  done
  ip -4 addr flush dev "$1"
  drop_name_servers "$1"
}

drop_name_servers() {
  [ ! -e "$RESOLV_CONF" ] || sed -i "/ # $1\$/d" "$RESOLV_CONF"
}

# Makes what the VLAN $2 of the adapter $1 goes through.
add_vlan() {
  modprobe -q 8021q 2>/dev/null
  ip link add link "$1" name "$1.$2" type vlan id "$2" 2>/dev/null && ip link set "$1.$2" up
}

apply_settings() {
  cp "$SETTINGS/$1" "$STATE/$1.settings"
  read -r method address gateway servers vlan <"$STATE/$1.settings"
  echo "$method" >"$STATE/$1.method"
  clear_adapter "$1"
  device=$1
  vlan_words=
  if [ "$vlan" != - ]; then
    device=$1.$vlan
    vlan_words="vlan $vlan"
    if ! add_vlan "$1" "$vlan"; then
      network_state "$1" failed "VLAN $vlan cannot be made: this medium has no driver for VLANs, or the card refuses"
      return
    fi
  fi
  case $method in
    static) apply_static "$1" ;;
    dhcp) start_dhcp "$1" "$device" ;;
  esac
}

# With what apply_settings has read.
apply_static() {
  if ! ip addr add "$address" broadcast + dev "$device"; then
    network_state "$1" failed "the address $address is not taken"
    return
  fi
  if [ "$gateway" != - ] && ! ip route replace default via "$gateway" dev "$device"; then
    network_state "$1" failed "the gateway $gateway is not taken"
    return
  fi
  [ "$servers" = - ] || for server in $(echo "$servers" | tr , ' '); do
    echo "nameserver $server # $1" >>"$RESOLV_CONF"
  done
  touch "$STATE/$1.address"
  # shellcheck disable=SC2086 # two words or none
  network_state "$1" static "$address" $vlan_words
}
