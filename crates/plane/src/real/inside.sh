# The first process of the node: hides the machine's own folders behind the plane's, runs containerd, and reaps.
# The current folder is the plane's.
set -eu

resolv=$(readlink -f /etc/resolv.conf || echo /etc/resolv.conf)
cat "$resolv" >node/resolv.conf || : >node/resolv.conf

# The plane's folder may lie in what is hidden next, so it is brought to where nothing is hidden, and moved.
mount --bind "$PWD" /mnt
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/plane
mount --move /mnt /run/plane
cd /run/plane
for folder in /var/lib /var/log; do
    mount -t tmpfs -o mode=755 tmpfs "$folder"
done
if ! [ -e "$resolv" ]; then
    mkdir -p "${resolv%/*}"
    cp node/resolv.conf "$resolv"
fi

mkdir /run/programs
for program in ctr kubelet; do
    ln -s /proc/self/fd/9 "/run/programs/$program"
done

keep() {
    mkdir -p "node/$1" "$2"
    mount --bind "node/$1" "$2"
}
keep containerd /var/lib/containerd
keep kubelet /var/lib/kubelet
keep pods /var/log/pods
keep volumes /var/lib/pilothouse/volumes

# A kubelet changes these for the whole machine unless they have its values already.
pretend() {
    [ "$(cat "/proc/sys/$1")" != "$2" ] || return 0
    mkdir -p "/run/sysctl/${1%/*}"
    echo "$2" >"/run/sysctl/$1"
    mount --bind "/run/sysctl/$1" "/proc/sys/$1"
}
pretend vm/overcommit_memory 1
pretend vm/panic_on_oom 0
pretend kernel/panic 10
pretend kernel/panic_on_oops 1
pretend kernel/keys/root_maxkeys 1000000
pretend kernel/keys/root_maxbytes 25000000

# For pods whose mounts are to be seen by others of the node.
mount --make-rshared /

containerd --config /run/plane/node/containerd.toml &
wait $!
