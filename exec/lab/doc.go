// Package lab is the lab: real hosts on this computer, for tests of what deploys to hosts and for muster's demo.
//
// A host of the lab is a machine in all that a deployment can see: its own disk with its own /nix, /etc, /var, /root, /tmp, /boot
// and /run, its own processes, host name, boot ID, network interface and address, the sshd of this machine with a host key of
// its own, and this machine's Nix on an empty store. Only Linux and root can make one; Debian's packages openssh-server,
// iproute2 and nix-bin are needed.
//
// There are two kinds of host. A plain one runs this machine's programs below a shell, starts in a few milliseconds and has no
// systemd; its systemctl (host/systemctl.sh) answers for the units that minios pretends to run. A systemd host (Options.Systemd) is
// a Debian that systemd boots as process 1, with units, timers, a journal and user sessions, and boots the system that its /boot
// names; Debian's packages debootstrap and systemd-container are needed besides. Both have the same methods. Only Root differs: a
// systemd host's is a path below /proc while it is on.
//
// For a test:
//
//	lab := lab.New(t, "il", "ee", "sam")
//	lab.Host("ee").Unplug()
//	// deploy with lab.SSHConfig as ssh's -F
//	generation, err := lab.Host("il").ReadFile("/nix/var/nix/profiles/system/version")
//
// With systemd:
//
//	lab := lab.NewSystemd(t, "web")
//	out, err := lab.Host("web").Run(ctx, "systemctl", "is-active", "httpd.service")
//
// For anything else:
//
//	lab, err := lab.Start(ctx, lab.Options{Hosts: []string{"il"}, Alias: map[string][]string{"il": {"192.168.10.121"}}})
//	defer lab.Close()
//
// # How it is made
//
// One operating system thread of this process, the ground, has a mount and a network namespace of its own. The first holds the
// hosts' disks, the second a switch. Each host has a network namespace with a cable to the switch, and a first process in new
// namespaces whose root is the host's disk; the kernel kills it when the ground ends. This machine is on the switch as well, by one
// interface, musterN. So the kernel removes everything when this process ends, be it by kill -9, but for one small directory
// and the control groups of systemd hosts; a process that waits for that moment removes them (reaper.sh).
//
// A host's first process starts with default signals, fixed limits, umask 022 and a clean environment, whoever starts the lab.
//
// A systemd host is an overlay on a Debian tree (systemd/tree.sh), which debootstrap makes once below the user's cache directory,
// from the mirror of this machine's apt, under a name that changes with all it is made from; one that nobody has used for two weeks is removed. systemd-nspawn runs it, itself the first
// process of a process namespace (systemd/nspawn.sh) and so killed by the kernel with all below it. When the host restarts,
// systemd-nspawn ends with status 133 and is started again. Its boot loader is a shell script (systemd/init.sh): it starts the init
// of the default entry in /boot, as a real one does. The tree's own sshd.service is a vendor's unit in /usr/lib/systemd/system: a system
// that brings an sshd.service replaces it, any other leaves the host reachable. One setting of this machine is changed for them, and
// stays: how many instances of inotify a user may have (fs.inotify.max_user_instances).
//
// # What can go wrong on request
//
//	Stop, Start, Reboot          power: refused connections; the disk stays
//	StopSSH, StartSSH            sshd: refused connections on a machine that is up
//	Unplug, Plug                 cable: no route to host
//	DropTraffic, RestoreTraffic  firewall: time-outs, no answer at all
//	Delay, Rate                  a slow network
//	Freeze, Thaw                 every process stops where it is; connections are accepted and then silent
//	KillSessions                 open connections are cut, sshd goes on
//	FillDisk, EmptyDisk          no space left on device
//	ChangeHostKey                the host has another key than KnownHosts says
//
// # Figures
//
// On 2 cores, hosts start in (until every one accepts ssh): 1 in 0.07 s, 3 in 0.1 s, 8 in 0.18 s, 50 in 0.85 s; all of it is processor
// time. The first lab of a process takes 0.05 s more. Close takes 0.03 s for 3 and 0.1 s for 50. A fault takes 1 to 5 ms, Start of a stopped host 20 ms.
// go test -bench Start measures it again.
//
// Systemd hosts accept ssh after 1.0 s (1), 1.3 s (2) and 2.2 s (8), and have booted 0.5 s later; a restart takes 1 s, Close 0.2 s.
// Making the tree takes 80 s, once, and 300 MB.
package lab
