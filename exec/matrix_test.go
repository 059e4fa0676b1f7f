package exec_test

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/exec"
	"muster/exec/backoff"
	"muster/exec/lab"
	"muster/schema"
)

var update = flag.Bool("update", false, "rewrite FAULTS.md from the table of faults")

// A fault is something that goes wrong with one host of a rollout of two.
type fault struct {
	name   string
	first  bool                    // the host has no system of NixOS yet
	system string                  // what the host is to get; new where empty
	before func(*field, *lab.Host) // the fault, before the run
	during func(*field, *lab.Host) // or when at happens
	at     func(exec.Event) bool
	after  func(*field, *lab.Host) // the repair, so that the host can be looked at
	opts   func(*exec.Options)

	status exec.Status // the host's
	stage  exec.Stage  // where it failed
	says   string      // in the message
	notes  string      // among what is noted about it
	exit   int
	ends   string    // the system it runs, has as its profile and would boot
	or     string    // the other one it may end on
	parts  [3]string // where these differ: the system it runs, has as its profile, would boot
	when   string    // more on that, for the table

	own func(*testing.T) // a test of its own instead of all that is above
}

func started(s exec.Stage) func(exec.Event) bool {
	return func(e exec.Event) bool {
		e2, ok := e.(exec.StageStarted)
		return ok && e2.Host == "bad" && e2.Stage == s
	}
}

// copying is when the first bytes are on their way.
func copying(e exec.Event) bool {
	p, ok := e.(exec.Progressed)
	return ok && p.Host == "bad" && p.Done > 0
}

// speaking is when the activation prints its first line.
func speaking(e exec.Event) bool {
	s, ok := e.(exec.Said)
	return ok && s.Host == "bad" && s.Stage == exec.Activate
}

func do(f func(*lab.Host) error) func(*field, *lab.Host) {
	return func(fd *field, h *lab.Host) {
		if err := f(h); err != nil {
			fd.Error(err)
		}
	}
}

var (
	stop     = do((*lab.Host).Stop)
	cut      = do((*lab.Host).KillSessions)
	freeze   = do((*lab.Host).Freeze)
	thaw     = do((*lab.Host).Thaw)
	unplug   = do((*lab.Host).DropTraffic)
	plug     = do((*lab.Host).RestoreTraffic)
	stopSSH  = do((*lab.Host).StopSSH)
	fillDisk = do(func(h *lab.Host) error { return h.FillDisk(1 << 20) })
	emptied  = do((*lab.Host).EmptyDisk)
	newKey   = do(func(h *lab.Host) error { return h.ChangeHostKey(context.Background()) })
)

// wrongClock has a host's clock go wrong by so much. It is one for the programs
// on it: all hosts of a lab have the clock of this machine.
func wrongClock(by string) func(*lab.Host) error {
	return func(h *lab.Host) error {
		return h.WriteFile("/usr/local/bin/date", []byte("#!/bin/sh\n[ \"$1\" != +%s ] || { echo $(($(/usr/bin/date +%s) "+by+")); exit; }\nexec /usr/bin/date \"$@\"\n"), 0o755)
	}
}

func rightClock(h *lab.Host) error {
	_, err := h.Run(context.Background(), "rm", "-f", "/usr/local/bin/date")
	return err
}

// dead is what a deployer that was killed reports.
const dead exec.Status = "nothing any more"

// faults is the matrix: FAULTS.md is made from it.
var faults = []fault{
	{name: "host down before the start", before: stop,
		status: exec.Failed, stage: exec.ConnectTo, says: "connection refused", exit: 3, ends: "old"},
	{name: "host silent before the start", before: unplug, after: plug,
		status: exec.Failed, stage: exec.ConnectTo, says: "unreachable", exit: 3, ends: "old"},
	{name: "host key changed", before: newKey,
		status: exec.Failed, stage: exec.ConnectTo, says: "host key changed", exit: 3, ends: "old"},

	{name: "connection cut while looking at the host", during: cut, at: started(exec.Inspect),
		status: exec.Failed, stage: exec.Inspect, says: "connection lost", exit: 3, ends: "old"},
	{name: "connection cut while locking", during: cut, at: started(exec.Lock),
		status: exec.Failed, stage: exec.Lock, says: "connection lost", exit: 3, ends: "old"},
	{name: "connection cut while copying", system: "big", during: cut, at: copying,
		status: exec.Failed, stage: exec.Copy, says: "connection lost", exit: 3, ends: "old"},
	{name: "connection cut when activation begins", during: cut, at: started(exec.Activate),
		status: exec.Activated, exit: 0, ends: "new"},
	{name: "connection cut while activating", system: "slow", during: cut, at: speaking,
		status: exec.Activated, exit: 0, ends: "slow", when: "the activation goes on, and is followed over a new connection"},
	{name: "connection cut after activating", during: cut, at: started(exec.Reach),
		status: exec.Activated, exit: 0, ends: "new"},
	{name: "connection cut while health is checked", during: cut, at: started(exec.Health), before: checked,
		status: exec.Activated, exit: 0, ends: "new", when: "the check is made again over a new connection"},
	{name: "connection cut while confirming", during: cut, at: started(exec.Confirm),
		status: exec.Activated, exit: 0, ends: "new"},

	{name: "host freezes before the start", before: freeze, after: thaw,
		status: exec.Failed, stage: exec.ConnectTo, says: "unreachable", exit: 3, ends: "old"},
	{name: "host freezes while being looked at", during: freeze, at: started(exec.Inspect), after: thaw,
		status: exec.Failed, stage: exec.Inspect, says: "no answer", exit: 3, ends: "old"},
	{name: "host freezes while being locked", during: freeze, at: started(exec.Lock), after: thaw,
		status: exec.Failed, stage: exec.Lock, says: "no answer", exit: 3, ends: "old"},
	{name: "host freezes while copying", system: "big", during: freeze, at: copying, after: thaw,
		status: exec.Failed, stage: exec.Copy, says: "connection lost", exit: 3, ends: "old"},
	{name: "host freezes when activation begins", during: freeze, at: started(exec.Activate), after: thaw,
		status: exec.Failed, stage: exec.Activate, says: "no answer", exit: 3, ends: "old", when: "also if the order to activate got through: nobody confirms it"},
	{name: "host freezes while activating", system: "hangs", during: freeze, at: speaking, after: thaw,
		status: exec.Failed, stage: exec.Activate, says: "the host returns to what it had unless it is confirmed", exit: 3, ends: "old", when: "as soon as it thaws"},
	{name: "host freezes after activating", during: freeze, at: started(exec.Reach), after: thaw,
		status: exec.Failed, stage: exec.Reach, says: "no new connection after the activation", exit: 3, ends: "old", when: "as soon as it thaws"},
	{name: "host freezes while its health is checked", during: freeze, at: started(exec.Health), before: checked, after: thaw,
		status: exec.Failed, stage: exec.Health, says: "its guard returns it to", exit: 3, ends: "old", when: "as soon as it thaws"},
	{name: "host freezes while confirming", during: freeze, at: started(exec.Confirm), after: thaw,
		status: exec.Failed, stage: exec.Confirm, says: "if the confirmation has not got through, the host returns to", exit: 3, ends: "old", or: "new", when: "as soon as it thaws"},
	{name: "host freezes when it is to restart", system: "kernel", during: freeze, at: started(exec.Restart), after: thaw,
		opts:   func(o *exec.Options) { o.Reboot = true },
		status: exec.Failed, stage: exec.Restart, says: "not restarted", exit: 3, ends: "kernel", when: "and is not restarted"},
	{name: "host freezes for a moment while activating", system: "slow", at: speaking,
		during: func(f *field, h *lab.Host) {
			freeze(f, h)
			time.AfterFunc(time.Second, func() { thaw(f, h) })
		},
		status: exec.Activated, exit: 0, ends: "slow"},

	{name: "power cut while copying", system: "big", during: stop, at: copying,
		status: exec.Failed, stage: exec.Copy, says: "connection lost", exit: 3, ends: "old"},
	{name: "power cut while activating", system: "hangs", during: stop, at: speaking,
		status: exec.Failed, stage: exec.Activate, says: "the host returns to what it had unless it is confirmed", exit: 3, ends: "old", when: "when it is switched on again"},
	{name: "power cut after activating", during: stop, at: started(exec.Reach),
		status: exec.Failed, stage: exec.Reach, says: "no new connection after the activation", exit: 3, ends: "old", when: "when it is switched on again"},
	{name: "host crashes and restarts while activating", system: "crashes",
		status: exec.RolledBack, stage: exec.Activate, says: "restarted before it was confirmed", exit: 4, ends: "old"},

	{name: "sshd gone after activation", during: stopSSH, at: started(exec.Reach),
		status: exec.RolledBack, stage: exec.Reach, says: "no new connection after the activation", exit: 4, ends: "old"},
	{name: "the new system has no sshd", system: "nosshd",
		status: exec.RolledBack, says: "not confirmed within", exit: 4, ends: "old"},
	{name: "firewall closes with the new system", system: "firewall",
		status: exec.RolledBack, says: "not confirmed within", exit: 4, ends: "old"},
	{name: "firewall drops everything after activation", during: unplug, at: started(exec.Reach), after: plug,
		status: exec.Failed, stage: exec.Reach, says: "its guard returns it to", exit: 3, ends: "old"},

	{name: "activation script fails", system: "fails",
		status: exec.RolledBack, stage: exec.Activate, says: "switch-to-configuration test: exit status 2", exit: 4, ends: "old"},
	{name: "a unit of the new system fails", system: "unitfails",
		status: exec.RolledBack, stage: exec.Activate, says: "failed: httpd.service", exit: 4, ends: "old"},
	{name: "activation hangs", system: "hangs",
		status: exec.RolledBack, stage: exec.Activate, says: "was not done after 10 s", exit: 4, ends: "old"},
	{name: "activation prints 100 MB", system: "prints", opts: func(o *exec.Options) { o.ActivateTimeout = 60 * time.Second },
		status: exec.Activated, exit: 0, ends: "prints", when: "and only the first megabyte is sent"},
	{name: "the boot loader cannot be set", system: "noboot",
		status: exec.RolledBack, stage: exec.Confirm, says: "switch-to-configuration boot: exit status 1", exit: 4, ends: "old"},

	{name: "guard killed while activating", system: "slow", during: script(killGuardScript, "guard"), at: speaking,
		status: exec.RolledBack, stage: exec.Activate, says: "the guard was killed while it activated", exit: 4, ends: "old", when: "by the guard, which is started again"},
	{name: "guard killed while it waits", during: script(killGuardScript, "guard"), at: started(exec.Reach),
		status: exec.Activated, exit: 0, ends: "new", when: "the guard is started again, and goes on waiting"},
	{name: "guard killed while confirming", during: script(killGuardScript, "guard"), at: started(exec.Confirm),
		status: exec.Activated, exit: 0, ends: "new", when: "the guard is started again"},
	{name: "guard and what watches over it killed while activating", system: "slow", during: script(killGuardScript, "guard watch"), at: speaking,
		status: exec.RolledBack, stage: exec.Activate, says: "the guard was killed while it activated", exit: 4, ends: "old", when: "muster starts the guard again"},
	{name: "guard and what watches over it killed while it waits", during: script(killGuardScript, "guard watch"), at: started(exec.Health), before: checked,
		status: exec.Activated, exit: 0, ends: "new", when: "muster starts the guard again"},
	{name: "guard and what watches over it killed while confirming", during: script(killGuardScript, "guard watch"), at: started(exec.Confirm),
		status: exec.Activated, exit: 0, ends: "new", when: "muster starts the guard again"},

	{name: "what watches over the guard killed while activating", system: "slow", during: script(killGuardScript, "watch"), at: speaking,
		status: exec.Activated, exit: 0, ends: "slow"},
	{name: "what watches over the guard killed while it waits", before: failing, during: script(killGuardScript, "watch"), at: started(exec.Health),
		status: exec.RolledBack, stage: exec.Health, says: "health check", exit: 4, ends: "old"},
	{name: "guard and deployer killed while activating", own: killedWithDeployer("said", "guard"), status: dead, exit: 137, ends: "old", when: "by the guard, which is started again"},
	{name: "guard and deployer killed after activating", own: killedWithDeployer(exec.Reach, "guard"), status: dead, exit: 137, ends: "old", when: "by the guard, which is started again"},
	{name: "guard and deployer killed while confirming", own: killedWithDeployer(exec.Confirm, "guard"), status: dead, exit: 137, ends: "old", when: "by the guard, which is started again"},
	{name: "what watches over the guard killed, and the deployer", own: killedWithDeployer(exec.Reach, "watch"), status: dead, exit: 137, ends: "old", when: "by its guard"},

	{name: "another activation holds NixOS's lock for a moment", before: holdLock("2"),
		status: exec.Activated, exit: 0, ends: "new", when: "it is waited for"},
	{name: "another activation holds NixOS's lock", before: holdLock("60"),
		status: exec.Failed, stage: exec.Activate, says: "another activation on the host holds", exit: 3, ends: "old", when: "untouched"},
	{name: "another activation holds NixOS's lock for a moment when the system is confirmed", before: checked, during: holdLock("2"), at: started(exec.Confirm),
		status: exec.Activated, exit: 0, ends: "new", when: "it is waited for"},
	{name: "another activation holds NixOS's lock for a moment on the way back", before: failing, during: holdLock("2"), at: started(exec.Health),
		status: exec.RolledBack, stage: exec.Health, says: "health check", exit: 4, ends: "old", when: "it is waited for"},
	{name: "another activation holds NixOS's lock on the way back", before: failing, during: holdLock("60"), at: started(exec.Health),
		status: exec.Failed, stage: exec.Health, says: "stuck: it runs the new system, its profile is on the old system", exit: 3, parts: [3]string{"new", "old", "old"}},
	{name: "NixOS takes a restart for the new system", system: "takesrestart",
		status: exec.Failed, stage: exec.Activate, says: "only by a restart", exit: 3, ends: "old", when: "untouched"},
	{name: "NixOS takes a restart for the new system, and --reboot is given", system: "takesrestart", opts: func(o *exec.Options) { o.Reboot = true },
		status: exec.Activated, exit: 0, ends: "takesrestart", when: "after a restart"},
	{name: "/nix is read-only before the start", before: script("mount --bind /nix /nix && mount -o remount,bind,ro /nix"), after: script("umount /nix"),
		status: exec.Failed, stage: exec.Inspect, says: "/nix is read-only", exit: 3, ends: "old"},
	{name: "/nix becomes read-only before it is confirmed", during: script("mount --bind /nix /nix && mount -o remount,bind,ro /nix"), at: started(exec.Confirm), after: script("umount /nix"),
		status: exec.RolledBack, stage: exec.Confirm, says: "set the system profile", exit: 4, ends: "old"},
	{name: "/boot becomes read-only before it is confirmed", during: script("mount --bind /boot /boot && mount -o remount,bind,ro /boot"), at: started(exec.Confirm), after: script("umount /boot"),
		status: exec.RolledBack, stage: exec.Confirm, says: "switch-to-configuration boot: exit status 1", exit: 4, ends: "old"},
	{name: "/run is full before the start", before: script(fillRunScript), after: script(fillRunScript, "off"),
		status: exec.Failed, stage: exec.Lock, says: "/run/muster cannot be written: 0 KiB free in /run", exit: 3, ends: "old"},
	{name: "/run becomes full while activating", system: "slow", during: script(fillRunScript), at: speaking, after: script(fillRunScript, "off"),
		status: exec.Activated, exit: 0, ends: "slow"},
	{name: "/run becomes full while the guard waits, and the host is healthy", before: checked, during: script(fillRunScript), at: started(exec.Health), after: script(fillRunScript, "off"),
		status: exec.Activated, exit: 0, ends: "new"},
	{name: "/run becomes full while the guard waits, and the host is not healthy", before: failing, during: script(fillRunScript), at: started(exec.Health), after: script(fillRunScript, "off"),
		status: exec.RolledBack, stage: exec.Health, says: "health check", exit: 4, ends: "old"},
	{name: "/run becomes full while confirming", during: script(fillRunScript), at: started(exec.Confirm), after: script(fillRunScript, "off"),
		status: exec.Activated, exit: 0, ends: "new"},
	{name: "/run is full, and the guard is killed while it waits", during: both(script(fillRunScript), script(killGuardScript, "guard")), at: started(exec.Health), before: checked, after: script(fillRunScript, "off"),
		status: exec.Activated, exit: 0, ends: "new"},

	{name: "first deployment: /nix is read-only", first: true, before: script("mount --bind /nix /nix && mount -o remount,bind,ro /nix"), after: script("umount /nix"),
		status: exec.Failed, stage: exec.Inspect, says: "/nix is read-only", exit: 3, parts: nothingAtAll},
	{name: "first deployment: connection cut while locking", first: true, during: cut, at: started(exec.Lock),
		status: exec.Failed, stage: exec.Lock, says: "connection lost", exit: 3, parts: nothingAtAll},
	{name: "first deployment: connection cut while copying", first: true, system: "big", during: cut, at: copying,
		status: exec.Failed, stage: exec.Copy, says: "connection lost", exit: 3, parts: nothingAtAll},
	{name: "first deployment: activation script fails", first: true, system: "fails",
		status: exec.Failed, stage: exec.Activate, says: "stuck: it runs the new system, its profile is on nothing", exit: 3, parts: [3]string{"fails", "nothing", "nothing"}},
	{name: "first deployment: a unit fails", first: true, system: "unitfails",
		status: exec.Failed, stage: exec.Activate, says: "failed: httpd.service", exit: 3, parts: [3]string{"unitfails", "nothing", "nothing"}},
	{name: "first deployment: /run is full when activation begins", first: true, during: script(fillRunScript), at: started(exec.Activate), after: script(fillRunScript, "off"),
		status: exec.Failed, stage: exec.Activate, says: "/run/muster cannot be written: 0 KiB free in /run", exit: 3, parts: nothingAtAll},
	{name: "first deployment: power cut while activating", first: true, system: "hangs", during: stop, at: speaking,
		status: exec.Failed, stage: exec.Activate, says: "no answer from the host", exit: 3, parts: nothingAtAll},
	{name: "first deployment: sshd gone after activation", first: true, during: stopSSH, at: started(exec.Reach),
		status: exec.Failed, stage: exec.Reach, says: "no new connection after the activation", exit: 3, parts: [3]string{"new", "nothing", "nothing"}},
	{name: "first deployment: the host is not healthy", first: true, before: failing,
		status: exec.Failed, stage: exec.Health, says: "stuck: it runs the new system, its profile is on nothing", exit: 3, parts: [3]string{"new", "nothing", "nothing"}},
	{name: "first deployment: /nix becomes read-only before it is confirmed", first: true, during: script("mount --bind /nix /nix && mount -o remount,bind,ro /nix"), at: started(exec.Confirm), after: script("umount /nix"),
		status: exec.Failed, stage: exec.Confirm, says: "stuck: it runs the new system, its profile is on nothing", exit: 3, parts: [3]string{"new", "nothing", "nothing"}},
	{name: "first deployment: the boot loader cannot be set", first: true, system: "noboot",
		status: exec.Failed, stage: exec.Confirm, says: "stuck: it runs the new system, its profile is on nothing", exit: 3, parts: [3]string{"noboot", "nothing", "nothing"}},

	{name: "the old generation is deleted while the guard waits", before: failing, during: script("rm /nix/var/nix/profiles/system-1-link; nix-store --gc >/dev/null 2>&1"), at: started(exec.Health), after: script("nix-env -p /nix/var/nix/profiles/system --set $(readlink -f /run/current-system)"),
		status: exec.Failed, stage: exec.Health, says: "stuck: it runs the old system, its profile is on nothing", exit: 3, ends: "old", when: "its profile had to be mended by hand"},
	{name: "another operator activates the old system while the guard waits", before: checked, during: script("$(readlink -f /nix/var/nix/profiles/system)/bin/switch-to-configuration test"), at: started(exec.Health),
		status: exec.RolledBack, stage: exec.Confirm, says: "another activation has changed the running system", exit: 4, ends: "old"},
	{name: "another operator moves the profile while the guard waits", before: checked, during: script("nix-env -p /nix/var/nix/profiles/system --set $(readlink -f /run/current-system)"), at: started(exec.Health),
		status: exec.Failed, stage: exec.Confirm, says: "the profile was moved to system-2-link by another", exit: 3, parts: [3]string{"new", "new", "old"}},
	{name: "another operator moves the profile before the activation", own: movedBefore,
		status: exec.Failed, stage: exec.Activate, says: "the host has changed meanwhile", exit: 3, ends: "old", when: "untouched"},

	{name: "host answers with a flood, a byte a second, nothing or garbage while it is looked at", own: madAt(exec.Inspect),
		status: exec.Failed, stage: exec.Inspect, exit: 3, ends: "old"},
	{name: "host answers so while it is locked", own: madAt(exec.Lock),
		status: exec.Failed, stage: exec.Lock, exit: 3, ends: "old"},
	{name: "host answers so when copying begins", own: madAt(exec.Copy),
		status: exec.Failed, stage: exec.Copy, exit: 3, ends: "old"},
	{name: "host answers so when activation begins", own: madAt(exec.Activate),
		status: exec.Failed, stage: exec.Activate, exit: 3, ends: "old"},
	{name: "host answers so after activating", own: madAt(exec.Reach),
		status: exec.Failed, stage: exec.Reach, exit: 3, ends: "old"},
	{name: "host answers so while its health is checked", own: madAt(exec.Health),
		status: exec.Failed, stage: exec.Health, exit: 3, ends: "old", when: "also where a check passes that looks at nothing but the exit status"},
	{name: "host answers so while confirming", own: madAt(exec.Confirm),
		status: exec.Failed, stage: exec.Confirm, exit: 3, ends: "old"},

	{name: "disk full before the start", before: fillDisk, after: emptied,
		status: exec.Failed, stage: exec.Inspect, says: "free for /nix/store", exit: 3, ends: "old"},
	{name: "disk full while copying", system: "big", during: fillDisk, at: started(exec.Copy), after: emptied,
		status: exec.Failed, stage: exec.Copy, says: "No space left on device", exit: 3, ends: "old"},
	{name: "disk full when activation begins", during: do(func(h *lab.Host) error { return h.FillDisk(0) }), at: started(exec.Activate), after: emptied,
		status: exec.RolledBack, stage: exec.Activate, says: "", exit: 4, ends: "old"},

	{name: "clock 1 h ahead", before: do(wrongClock("+ 3600")), after: do(rightClock),
		status: exec.Activated, notes: "its clock is 1h ahead", exit: 0, ends: "new", when: "and it is noted"},
	{name: "clock 1 h behind", before: do(wrongClock("- 3600")), after: do(rightClock),
		status: exec.Activated, notes: "its clock is 1h behind", exit: 0, ends: "new", when: "and it is noted"},

	{name: "sudo on the host wants a password, and there is none", before: userOf("asked", ""),
		status: exec.Failed, stage: exec.Inspect, says: "sudo needs a password: none was given for asked", exit: 3, ends: "old"},
	{name: "sudo on the host is told a wrong password", before: userOf("asked", "open up"),
		status: exec.Failed, stage: exec.Inspect, says: "sudo refuses the one given", exit: 3, ends: "old"},
	{name: "sudo on the host does not know the user", before: userOf("plain", userPassword),
		status: exec.Failed, stage: exec.Inspect, says: "no root privilege", exit: 3, ends: "old"},
	{name: "a store path is corrupted here", own: corruptedHere,
		status: exec.Failed, stage: exec.Copy, says: "corrupted in the source store", exit: 3, ends: "old"},
	{name: "a store path is corrupted on the host", own: corruptedThere,
		status: exec.Failed, stage: exec.Copy, says: "was modified", exit: 3, ends: "old"},
	{name: "a store path is gone from the host", own: goneThere,
		status: exec.Failed, stage: exec.Copy, says: "No such file or directory", exit: 3, ends: "old"},
	{name: "two deployers at once", own: twoDeployers,
		status: exec.Failed, stage: exec.Inspect, says: "locked by alice@laptop", exit: 1, ends: "new", when: "that of the first deployer; the second is told who it is"},
	{name: "two deployers at the same moment", own: sameMoment,
		status: exec.Failed, says: "locked by", exit: 1, ends: "new", when: "that of one of the two, or of one after the other"},
	{name: "copying: the peer of its site that it fetches from sends wrong bytes", own: peersThatFail("wrong bytes"),
		status: exec.Copied, notes: "hash mismatch", ends: "old", when: "and has the new one whole, sent from here"},
	{name: "copying: the peer of its site dies in the middle", own: peersThatFail("dies in the middle"),
		status: exec.Copied, notes: "fetch from", ends: "old", when: "and has the new one whole, sent from here"},
	{name: "copying: the peer of its site accepts no connection", own: peersThatFail("its sshd is not there"),
		status: exec.Copied, notes: "it does not serve", ends: "old", when: "and has the new one whole, sent from here"},
	{name: "copying: the peer of its site is slow", own: peersThatFail("is slow"),
		status: exec.Copied, notes: "it is too slow", ends: "old", when: "and has the new one whole, from another peer or from here"},
	{name: "copying: the peer of its site gets its own system slowly", own: peersThatFail("is slow, and gets its own"),
		status: exec.Copied, notes: "it is too slow", ends: "old", when: "and has the new one whole, from another peer or from here"},
	{name: "copying: the peer of its site dies while it gets its own system", own: peersThatFail("dies, and gets its own"),
		status: exec.Copied, notes: "fetch from", ends: "old", when: "and has the new one whole, from another peer or from here"},
	{name: "copying: the first host of its site has a full disk", own: firstOfASiteHasNoRoom,
		status: exec.Copied, ends: "old", when: "and has the new one whole: it is the first of the site instead"},
	{name: "the deployer's disk is full before it builds", own: fullBuilder,
		status: exec.Failed, stage: exec.Build, says: "No space left on device", exit: 3, ends: "old"},
	{name: "a builder cannot be reached", own: withBuilders(buildFault{script: ":", before: func(f *field) { f.stopBuilder(1) }, lost: 1}),
		status: exec.Activated, exit: 0, ends: "new", when: "another builder builds it"},
	{name: "a builder dies while it builds", own: withBuilders(buildFault{script: "/bin/sleep 4", during: (*field).stopBuilder, lost: 1}),
		status: exec.Activated, exit: 0, ends: "new", when: "another builder builds it"},
	{name: "a builder freezes while it builds", own: withBuilders(buildFault{script: "/bin/sleep 4", during: (*field).freezeBuilder, lost: 1}),
		status: exec.Activated, exit: 0, ends: "new", when: "another builder builds it, after a minute of silence"},
	{name: "all builders are gone, and nothing is built here", own: withBuilders(buildFault{script: ":", before: stopBothBuilders, lost: 2, fails: "no machine can build"}),
		status: exec.Failed, stage: exec.Build, says: "no machine can build", exit: 3, ends: "old"},
	{name: "a derivation fails on a builder", own: withBuilders(buildFault{script: "exit 3", fails: "failed with exit code 3"}),
		status: exec.Failed, stage: exec.Build, says: "failed with exit code 3", exit: 3, ends: "old"},
	{name: "the deployer's disk is full before its journal begins", own: fullBefore,
		status: exec.Activated, exit: 0, ends: "new", when: "and it is said that there is no journal"},
	{name: "the deployer's disk is full when activation begins", own: fullMeanwhile,
		status: exec.Activated, exit: 0, ends: "new", when: "and it is said that the journal ends there"},

	{name: "deployer killed while connecting", own: killedAt(exec.ConnectTo, "old"), status: dead, exit: 137, ends: "old"},
	{name: "deployer killed while looking at the host", own: killedAt(exec.Inspect, "old"), status: dead, exit: 137, ends: "old"},
	{name: "deployer killed while building", own: killedAt(exec.Build, "old"), status: dead, exit: 137, ends: "old"},
	{name: "deployer killed while locking", own: killedAt(exec.Lock, "old"), status: dead, exit: 137, ends: "old"},
	{name: "deployer killed while copying", own: killedAt(exec.Copy, "old"), status: dead, exit: 137, ends: "old"},
	{name: "deployer killed when activation begins", own: killedAt(exec.Activate, "old"), status: dead, exit: 137, ends: "old"},
	{name: "deployer killed while activating", own: killedAt("said", "old"), status: dead, exit: 137, ends: "old", when: "by its guard"},
	{name: "deployer killed after activating", own: killedAt(exec.Reach, "old"), status: dead, exit: 137, ends: "old", when: "by its guard; resumed in time, the new one"},
	{name: "deployer killed while health is checked", own: killedAt(exec.Health, "old"), status: dead, exit: 137, ends: "old", when: "by its guard; resumed in time, the new one"},
	{name: "deployer killed while confirming", own: killedAt(exec.Confirm, "old"), status: dead, exit: 137, ends: "old", when: "by its guard; resumed in time, the new one"},
	{name: "deployer killed when all is confirmed", own: killedAt("confirmed", "new"), status: dead, exit: 137, ends: "new"},
	{name: "deployer killed when the host is to restart", own: killedAt(exec.Restart, "new"), status: dead, exit: 137, ends: "new", when: "and restarts when the run is resumed"},
}

// nothingAtAll is what a host has before its first deployment.
var nothingAtAll = [3]string{"nothing", "nothing", "nothing"}

// TestFaults takes a lab of two hosts through every fault. In each, the host of
// the fault ends on the old or the new system, whole and bootable; the other
// host is done; nothing waits beyond its limit; nothing says success that was
// not.
func TestFaults(t *testing.T) {
	for _, ft := range faults {
		t.Run(strings.ReplaceAll(ft.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			ft.test(t, *throughOpenSSH)
		})
	}
}

// TestFaultsThroughOpenSSH takes ten of the faults through the system's ssh: each
// kind of cut, and what is reported of it. All of them are TestFaults -openssh.
func TestFaultsThroughOpenSSH(t *testing.T) {
	rows := []string{"host down before the start", "host key changed", "connection cut while looking at the host",
		"connection cut while copying", "connection cut while activating", "connection cut after activating",
		"host freezes while activating", "power cut after activating", "sshd gone after activation", "activation prints 100 MB"}
	for _, row := range rows {
		t.Run(strings.ReplaceAll(row, " ", "_"), func(t *testing.T) {
			t.Parallel()
			i := slices.IndexFunc(faults, func(ft fault) bool { return ft.name == row })
			if i < 0 {
				t.Fatalf("there is no such fault")
			}
			faults[i].test(t, true)
		})
	}
}

// test takes a lab through the fault.
func (ft *fault) test(t *testing.T, openSSH bool) {
	if ft.own != nil {
		ft.own(t)
		return
	}
	start := newFieldIn
	if ft.first {
		start = newBareField
	}
	f := start(t, labOf([]string{"bad", "good"}))
	f.openSSH = openSSH
	bad := f.lab.Host("bad")
	want := f.all(system(t, "new"))
	if ft.system != "" {
		want["bad"] = system(t, ft.system)
	}
	if ft.before != nil {
		ft.before(f, bad)
	}
	if ft.opts != nil {
		ft.opts(&f.opts)
	}
	var once sync.Once
	began := time.Now()
	out := f.deploy(t.Context(), exec.Switch, want, func(e exec.Event) {
		if ft.during != nil && ft.at(e) {
			once.Do(func() { ft.during(f, bad) })
		}
	})
	took := time.Since(began)
	if ft.after != nil {
		ft.after(f, bad)
	}
	b, g := out[0], out[1]
	t.Logf("bad: %s: %s: %v (%v)", b.Status, b.Stage, b.Err, b.Took)
	if b.Status != ft.status || ft.stage != "" && b.Stage != ft.stage || !strings.Contains(b.Error, ft.says) {
		t.Errorf("bad: %s, %s: %q; want %s, %s: %q", b.Status, b.Stage, b.Error, ft.status, ft.stage, ft.says)
	}
	if !slices.ContainsFunc(append(b.Findings, exec.Finding{}), func(f exec.Finding) bool { return f.Text == ft.notes }) {
		t.Errorf("bad: noted: %v; want %q", b.Findings, ft.notes)
	}
	if got := exec.ExitStatus(t.Context(), out); got != ft.exit {
		t.Errorf("exit status %d, want %d", got, ft.exit)
	}
	if g.Status != exec.Activated {
		t.Errorf("good: %s: %s: %v", g.Status, g.Stage, g.Err)
	}
	f.expect("good", "new", "new", "new")
	f.settle(bad)
	ends := ft.ends
	if ft.or != "" && systemName(f.on("bad").running) == ft.or {
		ends = ft.or
	}
	if ft.parts != [3]string{} {
		f.expect("bad", ft.parts[0], ft.parts[1], ft.parts[2])
	} else {
		f.expect("bad", ends, ends, ends)
	}
	// All the limits that can come after each other, and some for the work.
	o := &f.opts
	if limit := o.ActivateTimeout + o.ConfirmTimeout + 2*o.RevertTimeout + 4*o.AnswerTimeout + 2*time.Minute; took > limit {
		t.Errorf("it took %v, more than its limits %v", took, limit)
	}
	var said int
	for _, e := range f.events {
		if s, ok := e.(exec.Said); ok {
			said += len(s.Line)
		}
	}
	if said > 1<<20+64<<10 {
		t.Errorf("%d bytes were printed", said)
	}
}

//go:embed testdata/settle.sh
var settleScript string

//go:embed testdata/kill-guard.sh
var killGuardScript string

//go:embed testdata/hold-lock.sh
var holdLockScript string

//go:embed testdata/fill-run.sh
var fillRunScript string

// onHost is a fault that a shell script on the host brings about.
func script(text string, args ...string) func(*field, *lab.Host) {
	return func(f *field, h *lab.Host) {
		if out, err := h.Run(context.Background(), append([]string{"sh", "-c", text, "sh"}, args...)...); err != nil {
			f.Errorf("%s: %v %s", h.Name, err, out)
		}
	}
}

func both(a, b func(*field, *lab.Host)) func(*field, *lab.Host) {
	return func(f *field, h *lab.Host) { a(f, h); b(f, h) }
}

// holdLock has another activation on the host hold NixOS's lock for a time.
func holdLock(seconds string) func(*field, *lab.Host) {
	return script(holdLockScript, seconds)
}

// failing gives a host a health check that does not pass.
func failing(f *field, h *lab.Host) {
	f.hosts[h.Name].Health = []schema.Check{{Command: []string{"false"}, Timeout: 10 * time.Second, Interval: 100 * time.Millisecond}}
}

// settle waits until no guard is at work on a host.
func (f *field) settle(h *lab.Host) {
	f.Helper()
	if h.Pid() == 0 {
		if err := h.Start(f.Context()); err != nil {
			f.Fatal(err)
		}
	}
	// Whatever was on its way to the host is there after this.
	time.Sleep(300 * time.Millisecond)
	if out, err := h.Run(f.Context(), "sh", "-c", settleScript); err != nil {
		f.Errorf("%s: the guard does not end: %v %s", h.Name, err, out)
	}
}

// booted waits until a host that starts has a running system.
func (f *field) booted(name string) {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.Context(), time.Minute)
	defer cancel()
	wait := backoff.Backoff{First: 50 * time.Millisecond, Max: time.Second}
	for f.on(name).running == "" {
		if wait.Wait(ctx) != nil {
			f.Fatalf("%s does not boot", name)
		}
	}
}

// The table in FAULTS.md is the one the tests above assert.
func TestFaultsAreDocumented(t *testing.T) {
	var b strings.Builder
	b.WriteString(faultsHead)
	b.WriteString("| fault | the host ends on | it is reported as | because | exit |\n| --- | --- | --- | --- | --- |\n")
	for _, ft := range faults {
		ends := "the new system"
		if ft.ends == "old" {
			ends = "the old system"
		}
		if ft.or != "" {
			ends = "the old or the new system"
		}
		if ft.parts != [3]string{} {
			ends = fmt.Sprintf("neither: it runs %s, its profile is on %s, it boots %s", ft.parts[0], ft.parts[1], ft.parts[2])
		}
		if ft.parts == nothingAtAll {
			ends = "nothing, as before"
		}
		if ft.when != "" {
			ends += ", " + ft.when
		}
		because := ""
		if said := ft.says + ft.notes; said != "" {
			because = "`" + said + "`"
		}
		status := string(ft.status)
		if ft.stage != "" {
			status += " (" + string(ft.stage) + ")"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %d |\n", ft.name, ends, status, because, ft.exit)
	}
	const name = "FAULTS.md"
	if *update {
		if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(got)); diff != "" {
		t.Errorf("%s is not what the faults are; go test ./exec -run Documented -update rewrites it:\n%s", name, diff)
	}
}

const faultsHead = `# What happens when something goes wrong

Each line is a test: two real hosts, sshd and Nix, on the system *old*; a deployment of a new one to both; and a fault on
one of them. In every case the other host is deployed, the host of the fault ends on a system that is whole and would
boot (where it cannot, the report says which system runs and which would boot), and nothing waits longer than its limits.
"Ends on" is the running system, the system profile and the boot loader's default alike, as read from the host. ` + "`go test ./exec -run Faults`" + ` runs them (with ` + "`-systemd`" + `: on hosts that systemd boots); the table is made from what they assert.

`

func TestMain(m *testing.M) {
	if order := os.Getenv(deployerEnv); order != "" {
		os.Exit(deployer(order))
	}
	flag.Parse()
	// The tests wait more than they work.
	if !isSet("test.parallel") {
		flag.Set("test.parallel", strconv.Itoa(max(4, *chaosFields)))
	}
	checked := exec.ObserveLines()
	status := m.Run()
	if err := checked(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

func isSet(name string) (set bool) {
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	return set
}
