#!/bin/sh
# What the installed system of the virtual machine starts with. The secrets are there
# before anything else is.
ls /run/muster-secrets/ >/run/secrets-at-boot 2>&1
mount -a
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
mkdir -p /run/sshd
echo "installed: $(readlink /run/booted-system) is up"
