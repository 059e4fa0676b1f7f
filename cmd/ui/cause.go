package ui

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"muster/compile/store"
	"muster/exec"
	"muster/exec/human"
)

// A cause is why hosts did not end as was asked. Hosts whose errors differ in nothing but
// their names, addresses and times have one cause.
type cause struct {
	status exec.Status
	stage  exec.Stage
	hosts  []string
	first  *exec.Outcome
	reason string // of the first host, in one line
	all    bool   // every host has that very reason

	has map[string]bool // the hosts
}

// causes are the causes of the failures of a run, in the order in which they came up.
type causes struct {
	list []*cause
	by   map[string]*cause
}

// causesOf are the causes for which hosts did not end as was asked.
func causesOf(outcomes []exec.Outcome) []*cause {
	var c causes
	for i := range outcomes {
		c.add(&outcomes[i])
	}
	return c.list
}

// add takes up what became of a host, if that is a failure.
func (c *causes) add(o *exec.Outcome) {
	if o.Err == nil {
		return
	}
	reason := reasonOf(o)
	key := fmt.Sprintf("%s\n%s\n%s", o.Status, o.Stage, likeness(o, reason))
	if known := c.by[key]; known != nil {
		if !known.has[o.Host] {
			known.hosts, known.has[o.Host] = append(known.hosts, o.Host), true
		}
		known.all = known.all && known.reason == reason
		return
	}
	if c.by == nil {
		c.by = map[string]*cause{}
	}
	c.by[key] = &cause{status: o.Status, stage: o.Stage, hosts: []string{o.Host}, first: o, reason: reason, all: true, has: map[string]bool{o.Host: true}}
	c.list = append(c.list, c.by[key])
}

// where is the stage in front of what is said about it.
func (c *cause) where() string {
	if c.stage == "" {
		return ""
	}
	return string(c.stage) + ": "
}

// what is the reason with its stage, and whose it is where others' differ.
func (c *cause) what() string {
	if c.all {
		return c.where() + c.reason
	}
	return fmt.Sprintf("%s%s (%s)", c.where(), c.reason, c.first.Host)
}

// A failedBuild is the error about a derivation that could not be built.
type failedBuild interface {
	// FailedBuild returns the derivation, and the last lines of its log.
	FailedBuild() (store.Path, []string)
}

// reasonOf is why a host failed, in one line: of a build, what it said last.
func reasonOf(o *exec.Outcome) string {
	var build failedBuild
	if errors.As(o.Err, &build) {
		drv, log := build.FailedBuild()
		for _, text := range slices.Backward(log) {
			if text = strings.TrimSpace(Printable(text)); text != "" {
				return nameOf(drv) + ": " + text
			}
		}
	}
	return strings.TrimSpace(Printable(human.Reason(o.Err.Error())))
}

// nameOf is the name of what a derivation builds, such as nginx-1.26.2.
func nameOf(drv store.Path) string { return strings.TrimSuffix(drv.Name(), ".drv") }

// likeness is the reason of a failure without what is different on each host.
func likeness(o *exec.Outcome, reason string) string {
	if mistake, _ := mistakeOf(o); mistake != "" {
		return mistake
	}
	var build failedBuild
	if errors.As(o.Err, &build) {
		drv, _ := build.FailedBuild()
		return string(drv)
	}
	return human.Impersonal(o.Host, reason)
}

// hostsWith are the hosts that ended with a status.
func hostsWith(outcomes []exec.Outcome, s exec.Status) []string {
	var names []string
	for i := range outcomes {
		if outcomes[i].Status == s {
			names = append(names, outcomes[i].Host)
		}
	}
	return names
}
