# How the imaging client is started, by the kernel command line and by the settings on the medium. Sourced.
#   diskferry.insecure           plain text, for everybody in the network; whatever server the medium names
#   diskferry.server=HOST:PORT   another server of the same authority
#   diskferry.server=none        no server: wait for somebody who knows the pairing code
#   diskferry.shell              whoever stands in front of the computer may open a shell

SETTINGS=${SETTINGS:-/etc/diskferry}

# Prints the options, one a line.
client_options() {
  ! has_word diskferry.shell || echo --allow-shell
  if has_word diskferry.insecure; then
    echo --insecure
    return
  fi
  server=$(values_of diskferry.server | tail -n 1)
  [ -n "$server" ] || [ ! -r "$SETTINGS/server" ] || read -r server <"$SETTINGS/server"
  case $server in
    '' | none) ;;
    # The client says so itself if the medium has no such files.
    *) printf '%s\n' --server "$server" --ca "$SETTINGS/ca.pem" --enrolment "$SETTINGS/enrolment" ;;
  esac
}
