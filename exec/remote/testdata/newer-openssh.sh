#!/usr/bin/env bash
# newer-openssh.sh DIR: fetches the OpenSSH of Debian trixie, and unpacks it
# below DIR. DIR/ssh, DIR/sshd and what sshd runs use the libraries they were
# made for.
set -euo pipefail
mkdir -p "$1"
dir=$(realpath "$1")
mirror=$(sed -n 's/^URIs: //p; s/^deb \([^ [][^ ]*\) .*/\1/p' /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null | head -1 || true)
d=$dir/trixie
if [ ! -x "$dir/sshd" ]; then
	rm -rf "$d"
	mkdir -p "$d"/{root,apt/lists/partial,apt/archives/partial}
	: >"$d/apt/status"
	echo "deb $mirror trixie main" >"$d/apt/sources.list"
	apt=(apt-get -qq -o Dir::Etc::SourceList="$d/apt/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$d/apt/lists"
		-o Dir::State::status="$d/apt/status" -o Dir::Cache="$d/apt" -o Dir::Cache::archives="$d/apt/archives" -o APT::Sandbox::User=root)
	"${apt[@]}" update
	"${apt[@]}" --yes --no-install-recommends --download-only install openssh-client openssh-server
	for sub in bin sbin lib lib64; do
		mkdir -p "$d/root/usr/$sub"
		ln -sfn "usr/$sub" "$d/root/$sub"
	done
	for deb in "$d"/apt/archives/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$d/root" --keep-directory-symlink
	done
	libs=$d/root/usr/lib/x86_64-linux-gnu
	for program in bin/ssh sbin/sshd lib/openssh/sshd-session lib/openssh/sshd-auth; do
		printf '#!/bin/sh\nexec %s --library-path %s %s "$@"\n' "$libs/ld-linux-x86-64.so.2" "$libs" "$d/root/usr/$program" >"$dir/${program##*/}"
		chmod +x "$dir/${program##*/}"
	done
fi
"$dir/ssh" -V
