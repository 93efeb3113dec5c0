# Makes what a node needs on the machine, then enters namespaces of its own and runs the rest there.
# $1 name of the bridge and of the control group   $2 address of the bridge   $3 the script for inside
set -eu
name=$1 address=$2 inside=$3

group=
while read -r _ at type _; do
    case $type in
        cgroup2) mkdir -p "$at/$name/node" && group=$at/$name/node ;;
        cgroup) mkdir -p "$at/$name" ;;
    esac
done </proc/mounts
# What runs outside of containers can be found and killed in this group, whatever becomes of the namespaces.
[ -z "$group" ] || echo $$ >"$group/cgroup.procs"

ip link add name "$name" type bridge
ip address add "$address" dev "$name"
ip link set "$name" up

# When the first process of the process namespace dies the kernel kills all others in it, and with the last of them the
# mounts are gone. It dies with unshare, and unshare with the program that started it.
exec unshare --mount --pid --fork --kill-child=KILL --propagation private --mount-proc /bin/sh -c "$inside"
