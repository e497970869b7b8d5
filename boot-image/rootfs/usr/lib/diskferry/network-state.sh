# How it stands with each network adapter, for the screen of the imaging client. Sourced.
# /run/diskferry/network/ADAPTER holds one line: STATE SINCE [WORDS], with SINCE in seconds since the start.
#   asking SINCE                          a DHCP server is looked for
#   no-answer SINCE                       none has answered since then, and it is looked for on
#   bound SINCE ADDRESS/PREFIX [vlan N]   by DHCP
#   static SINCE ADDRESS/PREFIX [vlan N]  as somebody has set it
#   failed SINCE REASON                   what was set does not work
#   off SINCE                             the kernel command line leaves this adapter out
# client/src/console/network-state.ts reads them.

NETWORK=${NETWORK:-/run/diskferry/network}

# network_state ADAPTER STATE [WORDS]. In a subshell: its variables are its own.
network_state() (
  adapter=$1
  state=$2
  shift 2
  read -r now rest </proc/uptime
  since=${now%.*}
  before=
  [ ! -r "$NETWORK/$adapter" ] || read -r before then rest <"$NETWORK/$adapter"
  case "$before $state" in
    # One wait, however often it was asked.
    "$state $state" | 'asking no-answer' | 'no-answer asking') since=$then ;;
  esac
  [ "$before $state" != 'no-answer asking' ] || state=no-answer
  # In one step, so that nobody reads half a line.
  echo "$state $since${*:+ $*}" >"$NETWORK/.$adapter.$$"
  mv "$NETWORK/.$adapter.$$" "$NETWORK/$adapter"
)
