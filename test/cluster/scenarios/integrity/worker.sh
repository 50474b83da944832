#!/bin/bash
# Random work on the LVs of a shared VG for a while, from one of several hosts. Usage: worker.sh SEED SECONDS HOLDS_MIN LV...
# Each LV is activated exclusively or shared as it comes, and sometimes converted while it is active. No other worker of this host has
# these LVs, so that what this one holds is what the host holds. The console, which outlives a crash, is told of each hold when lvm has
# granted it (HOLD), and of all of it right before it is given up (HELD): the host had the lock at least from one time to the other.
# While an LV is held exclusively its first block holds this worker's token, and while it is shared nobody writes there.
# Every line on stdout is a count or a violation; refusals are part of the game.
RANDOM=$1
work_s=$2
holds_min=$3
lvs=("${@:4}")
host=$(</proc/sys/kernel/hostname)
operations=0 holds=0 owned=0 shared=0
declare -A count
# To wait, and to take a word from a pipe, without a process for it, which costs an emulated host as much as some work.
mkfifo "/run/nothing-$$"
exec {nothing}<>"/run/nothing-$$"
shopt -s lastpipe
export LVM_SUPPRESS_FD_WARNINGS=1

pause() { read -rt "$1.$((RANDOM % 10))" -u "$nothing"; }
tally() { count[$1]=$((${count[$1]:-0} + 1)); }

# Leaves in $refusal why lvm did not do it. Locks first: their words may be followed by others that fit as well.
lvm_try() { # what, command...
  local what=$1 out
  shift
  refusal=
  if out=$("$@" 2>&1 </dev/null); then
    tally "$what"
    return 0
  fi
  case $out in
  *"locked by other host"*) refusal=lv-lock ;;
  *[Ll]"ock failed"* | *"failed lock"* | *"lock skipped"* | *"ailed to lock"*) refusal=other-lock ;;
  *"already exists"*) refusal=exists ;;
  *"ailed to find"* | *"not found"*) refusal=absent ;;
  *"nsufficient free"*) refusal=space ;;
  *"in use"*) refusal=use ;;
  *) echo "UNEXPECTED $what: $(tr '\n' '/' <<<"$out")" ;;
  esac
  [ -z "$refusal" ] || tally "refused-$refusal"
  return 1
}

hold() { # mode
  mode=$1 from_s=$EPOCHREALTIME
  holds=$((holds + 1))
  printf 'HOLD %s %s %s\n' "$lv" "$mode" "$from_s" >/dev/console
}
give_up() {
  local now=$EPOCHREALTIME
  for _ in 1 2; do printf 'HELD %s %s %s %s\n' "$lv" "$mode" "$from_s" "$now" >/dev/console; done
}
# What is printed is lost when this host crashes.
violation() { echo "VIOLATION $*" | tee /dev/console; }

write_token() { printf '%-511s\n' "$1" | dd of="/dev/vg0/$lv" bs=512 count=1 oflag=direct status=none 2>/dev/null; }
read_token() { dd if="/dev/vg0/$lv" bs=512 count=1 iflag=direct status=none 2>/dev/null | read -r seen; }
# What could not be read says nothing.
still() {
  read_token && [ -n "$1" ] && [ -n "$seen" ] || return 0
  tally compared
  [ "$seen" = "$1" ]
}

own() {
  local token="$host.$SECONDS.$RANDOM"
  hold ex
  [ ! -e "/run/wanted/$lv" ] || rm -f "/run/wanted/$lv"
  if write_token "$token"; then
    tally written
    for _ in 1 2; do
      pause 2
      still "$token" || violation "$lv: $token was overwritten by $seen"
    done
  fi
  give_up
}

share() {
  local before
  hold sh
  read_token
  before=$seen
  pause 2
  still "$before" || violation "$lv: while it was shared, $before was overwritten by $seen"
  give_up
}

# What stays active stays locked, for all hosts: the VG lock may be refused for a while.
deactivate() {
  for _ in 1 2 3 4 5; do
    lvm_try deactivate lvchange -an "vg0/$lv" && return
    pause 1
  done
}

use_exclusive() {
  lvm_try activate lvchange -aey "vg0/$lv" || return
  own
  owned=$((owned + 1))
  if [ $((owned % 2)) = 1 ]; then lvm_try to-shared lvchange -asy "vg0/$lv" && share; fi
  deactivate
}

use_shared() {
  lvm_try share lvchange -asy "vg0/$lv" || return
  share
  shared=$((shared + 1))
  if [ $((shared % 2)) = 1 ]; then lvm_try to-exclusive lvchange -aey "vg0/$lv" && own; fi
  deactivate
}

# An LV that a crashed host had is had by this one before the work is over, if the lock manager ever gives it.
wanted() {
  for lv in "${lvs[@]}"; do [ -e "/run/wanted/$lv" ] && return; done
  return 1
}

goes_on() {
  [ $SECONDS -lt "$work_s" ] && return
  [ $SECONDS -lt $((3 * work_s)) ] && { [ $holds -lt "$holds_min" ] || wanted; }
}

while goes_on; do
  operations=$((operations + 1))
  if [ $((RANDOM % 2)) = 0 ] && wanted; then
    use_exclusive
  else
    lv=${lvs[RANDOM % ${#lvs[@]}]}
    # What is rare would be missing from some runs if that were left to chance.
    case $((operations % 8)) in
    3) lvm_try remove lvremove -q -y "vg0/$lv" && { pause 0; refusal=absent; } ;;
    5)
      lvm_try extend lvextend -q -L +4M "vg0/$lv"
      # Under the global lock, whose value block counts each time.
      lvm_try global pvcreate -q -y /dev/sdb
      ;;
    *) if [ $((RANDOM % 5)) -lt 2 ]; then use_shared; else use_exclusive; fi ;;
    esac
  fi
  # Whoever misses an LV makes it, so that there is something to work on.
  if [ "$refusal" = absent ]; then lvm_try create lvcreate -q -an -n "$lv" -L 4M vg0; fi
  pause 3
done
for what in "${!count[@]}"; do echo "COUNT $what ${count[$what]}"; done
