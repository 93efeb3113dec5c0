# Runs a program inside the node.
# $1 the process that entered the namespaces   $2 the control group   $3 the program   then its arguments
set -eu
entered=$1 name=$2 program=$3
shift 3
while read -r _ at type _; do
    [ "$type" != cgroup2 ] || echo $$ >"$at/$name/node/cgroup.procs"
done </proc/mounts
# Opened out here: inside, the folder it lies in may be hidden. A link there gives it its name back.
exec 9<"$program"
exec nsenter --mount="/proc/$entered/ns/mnt" --pid="/proc/$entered/ns/pid_for_children" -- \
    "/run/programs/${program##*/}" "$@"
