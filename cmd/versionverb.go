package cmd

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"muster/cmd/flags"
	"muster/cmd/ui"
)

// versionOptions are those of version, which says how this muster was built.
type versionOptions struct {
	noRules
	json bool
}

func versionEntry() entry {
	return entry{group: "more", use: "version", verb: &versionOptions{}, short: "say which muster this is, and how it was built",
		examples: exampleLines{{"muster version", "the version, for a person"}, {"muster version --json", "and for programs"}},
		long: `
Print the version of muster, the commit and the time of it, and what it was built with.`}
}

func (o *versionOptions) groups() []group { return nil }

func (o *versionOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Bool(&o.json, false), "json", "print JSON")
}

// buildFacts say how a muster was built.
type buildFacts struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Time     string `json:"time,omitempty"` // of the commit
	Modified bool   `json:"modified"`       // since the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
	CGo      bool   `json:"cgo"`
	CUE      string `json:"cue"` // version of the language's library
}

func readBuildFacts() buildFacts {
	facts := buildFacts{Version: version(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return facts
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			facts.Commit = s.Value
		case "vcs.time":
			facts.Time = s.Value
		case "vcs.modified":
			facts.Modified = s.Value == "true"
		case "CGO_ENABLED":
			facts.CGo = s.Value == "1"
		}
	}
	for _, d := range info.Deps {
		if d.Path == "cuelang.org/go" {
			facts.CUE = d.Version
		}
	}
	return facts
}

func (o *versionOptions) run(_ context.Context, std streams, _ []string) error {
	facts := readBuildFacts()
	if o.json {
		return ui.JSON(std.out, facts)
	}
	fmt.Fprintf(std.out, "muster %s\n", facts.Version)
	for _, row := range [][2]string{
		{"commit", strings.TrimSpace(facts.Commit + map[bool]string{true: " and changes"}[facts.Modified])},
		{"time", facts.Time}, {"built with", facts.Go + " for " + facts.Platform}, {"CUE", facts.CUE},
	} {
		if row[1] != "" {
			fmt.Fprintf(std.out, "  %-11s %s\n", row[0], row[1])
		}
	}
	return nil
}
