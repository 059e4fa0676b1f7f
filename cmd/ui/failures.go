package ui

import (
	"errors"
	"fmt"
	"strings"

	"muster/exec"
	"muster/exec/human"
)

// printFailures prints each cause for which hosts failed, with the reason, what the stage had
// printed last, and the command that shows more:
//
//	3 hosts failed: web1..web3
//	  build: nginx-1.26.2: make: *** [all] Error 2
//	    cc -c core.c
//	    make: *** [all] Error 2
//	  more: nix log /nix/store/…-nginx-1.26.2.drv
func printFailures(p page, outcomes []exec.Outcome, last map[string][]string, run Run, hint Hint) {
	hinted := map[string]bool{}
	for _, c := range causesOf(outcomes) {
		p.print(c.title())
		p.print(say("  ").and(bad, c.what()))
		for _, l := range c.details(last[c.first.Host]) {
			p.print(say("    ").and(faint, l))
		}
		if more := c.more(run); more != "" {
			p.print(say("  more: ").and(strong, more))
		}
		// Causes with the same error need its hint once.
		if h := hint(c.first.Host, c.first.Err); h != "" && !hinted[h] {
			hinted[h] = true
			for i, l := range strings.Split(strings.TrimSpace(human.Plain(h)), "\n") {
				if i == 0 {
					l = "hint: " + l
				}
				p.print(say(l))
			}
		}
	}
}

// mostNamed is how many names or ranges of names a cause lists.
const mostNamed = 12

// title says which hosts failed.
func (c *cause) title() line {
	if len(c.hosts) == 1 {
		return line{}.and(strong, c.hosts[0]).and(styleOf(c.status), " "+string(c.status))
	}
	return line{}.and(strong, human.Count(len(c.hosts), "host")).and(styleOf(c.status), " "+string(c.status)).
		and(ordinary, ": "+abbreviate(c.hosts, mostNamed))
}

// details are the other lines of the error, and what the stage printed last unless the error
// has it.
func (c *cause) details(said []string) []string {
	var build failedBuild
	if errors.As(c.first.Err, &build) {
		if _, log := build.FailedBuild(); len(log) > 0 {
			return log
		}
	}
	var lines []string
	_, rest, _ := strings.Cut(strings.TrimSpace(human.Plain(c.first.Err.Error())), "\n")
	for l := range strings.Lines(rest) {
		lines = append(lines, strings.TrimRight(l, "\n"))
	}
	switch c.stage {
	case exec.Build, exec.Activate, exec.Revert, exec.Restart, exec.InstallSystem:
		lines = append(lines, said...)
	}
	return lines
}

// more is the command that shows more about a cause, "" for none.
func (c *cause) more(run Run) string {
	var build failedBuild
	switch {
	case errors.As(c.first.Err, &build):
		drv, _ := build.FailedBuild()
		return fmt.Sprintf("nix log %s", drv)
	case run.Recorded && c.stage != "" && c.stage != exec.Evaluate && c.stage != exec.ConnectTo:
		if run.Past {
			return fmt.Sprintf("muster logs %s --run %s", c.first.Host, run.ID)
		}
		return fmt.Sprintf("muster logs %s", c.first.Host)
	}
	return ""
}
