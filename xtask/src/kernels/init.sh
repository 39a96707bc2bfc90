#!/bin/busybox sh
# The guest's first process: mounts, loads modules, runs /task with its output on the second serial
# port, says how it ended, and switches off.
busybox=/bin/busybox
export PATH=/bin HOME=/root LANG=C.UTF-8
$busybox --install -s /bin
$busybox mount -t proc proc /proc
$busybox mount -t sysfs sysfs /sys
$busybox mount -t devtmpfs devtmpfs /dev
$busybox mkdir -p /dev/shm
$busybox mount -t tmpfs tmpfs /dev/shm
$busybox mount -t tracefs tracefs /sys/kernel/tracing
$busybox mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
$busybox stty -F /dev/ttyS1 raw -echo
while read -r module; do
    $busybox insmod "/modules/$module.ko" || echo "cannot load the module $module"
done </modules/order
# A disk's serial number is the type of its file system.
for controller in /sys/class/nvme/nvme*; do
    read -r serial <"$controller/serial"
    [ "$serial" = root ] && continue
    $busybox mkdir -p "/mnt/$serial"
    $busybox mount -t "$serial" "/dev/${controller##*/}n1" "/mnt/$serial"
done
# A pipe, so that nobody draws progress on a terminal.
{
    $busybox sh /task
    $busybox printf '\n@status %d\n' $?
} 2>&1 </dev/null | $busybox cat >/dev/ttyS1
$busybox sync
$busybox reboot -f
