#!/bin/sh
# nat.sh GATEWAY INSIDE puts a host behind another one that translates addresses. Both are
# the process IDs of the hosts' first processes. The gateway hands its port 2222 on to the
# SSH server inside; nothing else gets in.
set -eu
gateway() { nsenter --target "$outer" --net "$@"; }
inside() { nsenter --target "$inner" --net "$@"; }
outer=$1 inner=$2
ip link add lan0 netns "$outer" type veth peer name lan0 netns "$inner"
gateway ip address add 192.168.77.1/24 dev lan0
gateway ip link set lan0 up
inside ip link set eth0 down
inside ip address add 192.168.77.2/24 dev lan0
inside ip link set lan0 up
inside ip route add default via 192.168.77.1
gateway sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
gateway iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE --random
gateway iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 2222 -j DNAT --to-destination 192.168.77.2:22
gateway iptables -A FORWARD -i eth0 -p udp -m conntrack --ctstate NEW -j DROP
