#!/bin/sh
# Stands in for systemctl.
echo "$*" >>/root/systemctl
case $1 in
list-units) echo "smartd.service loaded failed failed SMART daemon" ;;
show) cat /root/unit-state ;;
esac
