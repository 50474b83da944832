#!/bin/busybox sh
# The root file system is read-only and shared by all guests; what a guest writes lies in its memory, so its snapshot holds all of it.
B=/bin/busybox
$B mkdir -p /proc /dev /ro /rw /new
$B mount -t proc proc /proc
$B mount -t devtmpfs dev /dev
for module in $($B cat /modules.list); do $B insmod "/mod/$module" 2>/dev/null; done
i=0
while [ ! -b /dev/vda ] && [ $i -lt 500 ]; do
  $B usleep 10000
  i=$((i + 1))
done
$B mount -r -t ext4 /dev/vda /ro || { echo "LAB-NO-ROOT"; $B poweroff -f; }
$B mount -t tmpfs -o mode=755 rw /rw
$B mkdir /rw/u /rw/w
$B mount -t overlay -o lowerdir=/ro,upperdir=/rw/u,workdir=/rw/w root /new
$B mount --move /dev /new/dev
$B umount /proc
exec $B switch_root /new /sbin/lab-init </dev/console >/dev/console 2>&1
