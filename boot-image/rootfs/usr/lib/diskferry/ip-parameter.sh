# The ip= parameter of the kernel command line, as Documentation/admin-guide/nfs/nfsroot.rst of the kernel has it:
#   ip=CLIENT:SERVER:GATEWAY:NETMASK:HOSTNAME:DEVICE:AUTOCONF:DNS0:DNS1:NTP0   or   ip=AUTOCONF
# Sourced. In addition DEVICE may be a hardware address with dashes (52-54-00-12-34-56), because device names
# depend on the order in which drivers load.

# Splits one value $1 into ip_client, ip_gateway, ip_netmask, ip_hostname, ip_device, ip_dns
# and ip_method: dhcp, static or off.
parse_ip_parameter() {
  ip_client='' ip_gateway='' ip_netmask='' ip_hostname='' ip_device='' ip_dns='' autoconf=''
  case $1 in
    *:*)
      IFS=: read -r ip_client server ip_gateway ip_netmask ip_hostname ip_device autoconf dns0 dns1 rest <<END
$1
END
      ip_dns="$dns0${dns1:+ $dns1}"
      ;;
    *) autoconf=$1 ;;
  esac
  if [ -n "$ip_client" ]; then
    ip_method=static
  else
    case $autoconf in
      off | none) ip_method=off ;;
      # on, any, dhcp, bootp, both, rarp: whoever wants an address gets it by DHCP.
      *) ip_method=dhcp ;;
    esac
  fi
}
