#!/bin/sh
# What the virtual machine has in systemd's place: busybox's init, by /etc/inittab.
exec /sbin/init
