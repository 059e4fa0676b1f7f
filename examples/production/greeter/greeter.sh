#!/bin/sh
# Greets whoever comes by, until it is stopped.
while sleep 60; do
  echo "@greeting@"
done
