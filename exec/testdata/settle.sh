# shellcheck shell=sh
# settle.sh waits until no guard is at work.
n=0
while [ -r /run/muster/guard/state ] && [ $n -lt 900 ]; do
  read -r state _ </run/muster/guard/state
  case $state in
  armed | waiting | activating | activated | committing | reverting) ;;
  *) exit ;;
  esac
  n=$((n + 1))
  sleep 0.2
done
[ ! -r /run/muster/guard/state ] || {
  echo "it is still $state"
  exit 1
}
