#!/bin/sh
# Stands in for systemd-run.
for word; do echo "$word" >>/root/systemd-run; done
[ ! -e /root/no-units ] || { echo "Failed to start transient service unit: Access denied" >&2; exit 1; }
while :; do case $1 in --*) shift ;; *) break ;; esac; done
env -i setsid "$@" </dev/null >/dev/null 2>&1 &
