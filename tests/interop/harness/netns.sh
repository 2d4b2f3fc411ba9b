#!/bin/sh
# Makes the network of a fresh namespace and runs a command in it: netns.sh ADDRESS COMMAND...
set -eu
address=$1
shift
ip link set lo up
# Chromium gathers no loopback candidates, so there has to be another interface, and one with a far end to be up.
ip link add ringback0 type veth peer name ringback1
ip address add "$address/24" dev ringback0
ip link set ringback0 up
ip link set ringback1 up
# Phones take the address of the default route for theirs.
ip route add default dev ringback0
# An address that comes to be valid later is a change of the network, and Chromium drops its connections at one.
waits=0
while [ -n "$(ip -6 address show tentative)" ] && [ "$waits" -lt 100 ]; do
  sleep 0.1
  waits=$((waits + 1))
done
exec "$@"
