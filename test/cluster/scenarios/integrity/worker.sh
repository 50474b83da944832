#!/bin/bash
# Random work on the LVs of a shared VG for a while, from one of several hosts. Usage: worker.sh SEED SECONDS OPERATIONS_MIN
# LVs named ex* are only activated exclusively, sh* only shared. While an exclusive LV is active its first block holds this host's
# token, and must still hold one of this host's when it is read again: no other host may write meanwhile.
# Every line on stdout is a count or a violation; refusals are part of the game.
RANDOM=$1
end=$2
operations_min=$3
operations=0
host=$(</proc/sys/kernel/hostname)
declare -A count

lvm_try() { # what, command...
  local what=$1 out
  shift
  if out=$("$@" 2>&1 </dev/null); then
    count[$what]=$((${count[$what]:-0} + 1))
    return 0
  fi
  case $out in
  *"locked by other host"* | *"already exists"* | *"ailed to find"* | *"not found"* | *"lock failed"* | *"failed lock"* | *"lock skipped"* | \
    *"nsufficient free space"* | *"insufficient free"* | *"in use"* | *"Lock failed"* | *"ailed to lock"*)
    count[refused]=$((${count[refused]:-0} + 1)) ;;
  *) echo "UNEXPECTED $what: $(tr '\n' '/' <<<"$out")" ;;
  esac
  return 1
}

write_token() { printf '%-511s\n' "$2" | dd of="/dev/vgi/$1" bs=512 count=1 oflag=direct status=none 2>/dev/null; }
read_token() { dd if="/dev/vgi/$1" bs=512 count=1 iflag=direct status=none 2>/dev/null | tr -d ' \n\0'; }

use_exclusive() {
  local lv=$1 token seen
  lvm_try activate lvchange -aey "vgi/$lv" || return
  token="$host.$SECONDS.$RANDOM"
  if write_token "$lv" "$token"; then
    for _ in 1 2 3; do
      sleep "0.$((RANDOM % 5))"
      seen=$(read_token "$lv")
      # Another worker of this host may have it active too, or have deactivated it: one host's exclusive lock is for all of the host.
      case $seen in "$host."* | "") ;; *) echo "VIOLATION $lv: $token was overwritten by $seen" ;; esac
    done
  fi
  lvm_try deactivate lvchange -an "vgi/$lv"
}

use_shared() {
  lvm_try share lvchange -asy "vgi/$1" || return
  read_token "$1" >/dev/null
  lvm_try deactivate lvchange -an "vgi/$1"
}

while [ $SECONDS -lt $end ] || [ $operations -lt $operations_min -a $SECONDS -lt $((3 * end)) ]; do
  operations=$((operations + 1))
  number=$((RANDOM % 4))
  case $((RANDOM % 10)) in
  0) lvm_try create lvcreate -q -an -n "ex$number" -L 4M vgi ;;
  1) lvm_try create lvcreate -q -an -n "sh$number" -L 4M vgi ;;
  2) lvm_try remove lvremove -q -y "vgi/ex$number" ;;
  3) lvm_try remove lvremove -q -y "vgi/sh$number" ;;
  4)
    lvm_try extend lvextend -q -L +4M "vgi/ex$number"
    # Under the global lock, whose value block counts each time.
    lvm_try global pvcreate -q -y /dev/sdb
    ;;
  5 | 6) use_shared "sh$number" ;;
  *) use_exclusive "ex$number" ;;
  esac
done
for what in "${!count[@]}"; do echo "COUNT $what ${count[$what]}"; done
