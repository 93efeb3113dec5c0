# Takes away everything a node has made on the machine. Can be repeated.
# $1 name of the bridge and of the control group   $2 the plane's folder
name=$1 folder=$2

groups() {
    while read -r _ at type _; do
        case $type in cgroup | cgroup2) [ ! -d "$at/$name" ] || echo "$at/$name" ;; esac
    done </proc/mounts | sort -u
}

# A group can be removed when no process is left in it, and the interface of a pod goes with the pod's last process.
tries=0
while [ "$tries" -lt 200 ]; do
    tries=$((tries + 1))
    for group in $(groups); do
        [ ! -e "$group/cgroup.kill" ] || echo 1 >"$group/cgroup.kill"
        find "$group" -name cgroup.procs -exec cat {} + | sort -u | while read -r pid; do kill -KILL "$pid"; done
        find "$group" -depth -type d -exec rmdir {} +
    done 2>/dev/null
    if [ -d "/sys/class/net/$name" ] && [ -z "$(ls "/sys/class/net/$name/brif")" ]; then
        ip link delete "$name"
    fi
    if [ -z "$(groups)" ] && ! [ -d "/sys/class/net/$name" ]; then
        break
    fi
    sleep 0.05
done
[ -z "$(groups)" ] || echo "left: $(groups)"
[ ! -d "/sys/class/net/$name" ] || ip link delete "$name"

# Containers, their images and volumes; the logs stay as long as the folder does.
cd "$folder/node" 2>/dev/null && rm -rf containerd kubelet volumes images cni
