#!/bin/sh
# gaps.sh prints how many pings the output of ping on standard input has answers to, and
# each number up to the last answered one that has none.
seen=$(sed -n 's/.*icmp_seq=\([0-9]*\) .*time=.*/\1/p' | sort -n | uniq)
last=$(echo "$seen" | tail -n 1)
echo "answered $(echo "$seen" | wc -l)"
seq 1 "$last" | while read -r n; do echo "$seen" | grep -qx "$n" || echo "lost $n"; done
