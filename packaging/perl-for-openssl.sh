#!/bin/sh
# Perl as it configures OpenSSL, but without the argument -static: OpenSSL takes it for a wish to do
# without threads, and then corrupts the memory of programs that have some.
for argument; do
  shift
  [ "$argument" = -static ] || set -- "$@" "$argument"
done
exec perl "$@"
