# Takes away everything a node has made on the machine. Can be repeated. Starts few programs: it must be quick on a
# busy machine too.
# $1 name of the bridge and of the control group   $2 the plane's folder
name=$1 folder=$2

groups=
while read -r _ at type _; do
    case $type in cgroup | cgroup2) [ ! -d "$at/$name" ] || groups="$groups $at/$name" ;; esac
done </proc/mounts

# A group can be removed when no process is left in it.
remove() {
    [ -z "$groups" ] || find $groups -depth -type d -exec rmdir {} + 2>/dev/null
}

is_left() {
    for group in $groups; do
        [ ! -d "$group" ] || return 0
    done
    return 1
}

# They are dead by now, unless this node's namespaces never came about.
slay() {
    # Without a folder, `find` would take the one this runs in.
    [ -n "$groups" ] || return 0
    for group in $groups; do
        [ ! -e "$group/cgroup.kill" ] || echo 1 >"$group/cgroup.kill"
    done
    pids=$(find $groups -name cgroup.procs -exec cat {} + | sort -u)
    [ -z "$pids" ] || kill -KILL $pids
}

# The interface of a pod goes with the pod's last process.
has_pods() {
    for port in "/sys/class/net/$name/brif/"*; do
        [ ! -e "$port" ] || return 0
    done
    return 1
}

tries=0
remove
while { is_left || has_pods; } && [ "$tries" -lt 100 ]; do
    tries=$((tries + 1))
    slay 2>/dev/null
    sleep 0.05
    remove
done
left=0
if is_left; then
    echo "some of these are left:$groups"
    left=1
fi
if [ -d "/sys/class/net/$name" ] && ! ip link delete "$name"; then
    echo "the interface $name is left"
    left=1
fi

# Containers, their images and volumes; the logs stay as long as the folder does.
if cd "$folder/node" 2>/dev/null; then
    rm -rf containerd kubelet volumes images cni || left=1
fi
exit "$left"
