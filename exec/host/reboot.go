package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"muster/compile/store"
	"muster/exec/human"
)

// A Boot is what a host says of the boot that it is in.
type Boot struct {
	ID      string
	System  store.Path // that was booted
	Kernel  string     // version
	Profile store.Path // what the system profile is on
}

// Boot returns the boot that the host is in.
func (h *Host) Boot(ctx context.Context) (Boot, error) {
	out, err := h.ask(ctx, bootIDScript, Profile)
	if err != nil {
		return Boot{}, err
	}
	var b Boot
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		switch name {
		case "bootid":
			b.ID = human.Clip(value, maxWord)
		case "booted":
			b.System, _ = store.ParsePath(value)
		case "kernel":
			b.Kernel = human.Clip(value, maxWord)
		case "profile":
			b.Profile, _ = store.ParsePath(value)
		}
	}
	if b.ID == "" {
		return Boot{}, fmt.Errorf("read the boot ID: unexpected answer %q", out[:min(len(out), 200)])
	}
	return b, nil
}

// Reboot has the host restart for a run, to boot a system, and returns before it
// does.
func (h *Host) Reboot(ctx context.Context, run string, system store.Path) error {
	out, err := h.ask(ctx, rebootScript, run, string(system))
	if err != nil {
		return err
	}
	if answer := lastLine(out); answer != "ok" {
		return errors.New(cmp.Or(answer, "no answer"))
	}
	return nil
}

// Restarted tells the host that it was seen to be back.
func (h *Host) Restarted(ctx context.Context) error {
	_, err := h.ask(ctx, restartedScript)
	return err
}

// A Restart is a restart for a run that no run has seen the end of.
type Restart struct {
	Run    string // "" for none
	BootID string // of the boot before it
	System store.Path
}

// parseRestart reads RUN BOOT-ID SYSTEM.
func parseRestart(s string) Restart {
	words := strings.Fields(s)
	if len(words) < 3 {
		return Restart{}
	}
	r := Restart{Run: words[0], BootID: words[1]}
	r.System, _ = store.ParsePath(words[2])
	return r
}

// LastBoot returns the ID of the boot before this one and the last lines of its
// journal; "" where the host keeps no journal of it.
func (h *Host) LastBoot(ctx context.Context, lines int) (id string, last []string, err error) {
	out, err := h.ask(ctx, lastBootScript, strconv.Itoa(lines))
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		switch name {
		case "boot":
			id = value
		case "line":
			last = append(last, value)
		}
	}
	return id, last, err
}

// SameBoot reports whether two boot IDs have the kernel's ID in common: the kernel
// writes it with dashes, the journal with none, and [Boot] adds when process 1 began.
func SameBoot(a, b string) bool {
	kernels := func(id string) string {
		id = strings.ReplaceAll(id, "-", "")
		return id[:min(len(id), 32)]
	}
	return kernels(a) == kernels(b)
}
