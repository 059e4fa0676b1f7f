# shellcheck shell=sh disable=SC2034
# tell.sh RUN WORD TEXT leaves a word for the guard of a run; see words.sh. It answers
# ok, or none where there is no such guard or it has finished.
run=$1
if leave_word "$2" "$3"; then echo ok; else echo none; fi
