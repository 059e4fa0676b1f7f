# shellcheck shell=sh
# mendmesh.sh MESH brings the interface of a mesh to what the host's configuration says.
exec /etc/muster/mesh mend "$1"
