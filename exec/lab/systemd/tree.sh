#!/bin/sh
# Makes the Debian tree that the systemd hosts of a lab are copies of: tree.sh ROOT SUITE MIRROR COMPONENTS PACKAGES DIR, where DIR
# holds the files that go into it. It runs in a mount namespace of its own.
set -eu
root=$1 suite=$2 mirror=$3 components=$4 packages=$5 files=$6

# apt's proxy is debootstrap's, too.
proxy=
eval "$(apt-config shell proxy Acquire::http::Proxy 2>/dev/null || true)"
[ -z "$proxy" ] || [ "$proxy" = DIRECT ] || export http_proxy="$proxy"

debootstrap --variant=minbase --components="$components" --include="$packages" "$suite" "$root" "$mirror" ||
  { tail -n 20 "$root/debootstrap/debootstrap.log" 2>/dev/null; exit 1; }
cd "$root"

# /etc/systemd/system belongs to the system that is deployed, as on NixOS. What the machine itself needs is a vendor's unit.
rm -rf etc/systemd/system etc/systemd/user
units=usr/lib/systemd/system
mkdir -p $units/multi-user.target.wants
cp "$files/sshd.service" $units/sshd.service
ln -s ../sshd.service $units/multi-user.target.wants/sshd.service
# systemd makes units of init scripts whose unit is missing: a second sshd.
rm -rf $units/ssh.service $units/ssh.socket $units/ssh@.service etc/init.d/* etc/rc?.d
ln -sf multi-user.target $units/default.target
# The console is a pipe. The rest asks for a kernel of its own, for hardware or for Debian's mirrors.
for unit in console-getty.service getty.target e2scrub_reap.service e2scrub_all.timer apt-daily.timer apt-daily-upgrade.timer \
  dpkg-db-backup.timer modprobe@.service kmod-static-nodes.service sys-kernel-config.mount sys-kernel-debug.mount \
  sys-kernel-tracing.mount sys-fs-fuse-connections.mount dev-hugepages.mount systemd-binfmt.service systemd-modules-load.service \
  systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-pcrphase.service systemd-pcrphase-sysinit.service; do
  ln -sf /dev/null $units/$unit
done

install -D -m 755 "$files/init" usr/lib/muster-lab/init
cp "$files/sshd_config" etc/ssh/sshd_config
mkdir -p etc/ssh/authorized_keys.d etc/nix boot nix
cp "$files/nix.conf" etc/nix/nix.conf
chroot . env -i PATH=/usr/bin:/bin HOME=/root nix-store --init

# Start-up files would be timed together with what is timed. Keys and names are each host's own.
rm -f etc/ssh/ssh_host_* etc/hostname etc/machine-id var/lib/dbus/machine-id etc/resolv.conf etc/update-motd.d/* etc/profile.d/*
for file in etc/bash.bashrc etc/profile etc/environment etc/motd etc/hosts etc/fstab etc/default/locale root/.bashrc root/.profile; do : >$file; done
rm -rf var/cache/apt var/lib/apt/lists/* usr/share/doc usr/share/man usr/share/locale debootstrap
