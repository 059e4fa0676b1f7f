package nixcmd

import (
	"encoding/json"
	"regexp"
	"strings"
	"sync"

	"muster/compile/store"
	"muster/exec/ondemand"
)

// A logEntry is a line that Nix prints with --log-format internal-json, behind "@nix ".
type logEntry struct {
	Action string            `json:"action"` // start, stop, result or msg
	ID     uint64            `json:"id"`     // of the activity
	Level  int               `json:"level"`  // 0 is an error, 1 a warning
	Type   int               `json:"type"`   // of the activity, or of the result
	Text   string            `json:"text"`
	Msg    string            `json:"msg"`
	Raw    string            `json:"raw_msg"` // without colours; Nix 2.4 and later, of some errors
	Fields []json.RawMessage `json:"fields"`
}

// The types of activities and results that are read (Nix's logging.hh).
const (
	activityBuilds = 104 // all builds of the process
	activityBuild  = 105
	resultLine     = 101
	resultPhase    = 104
	resultProgress = 105
)

// parseLogEntry reads a line. It reports false for one that is not in the format.
func parseLogEntry(line string) (logEntry, bool) {
	text, ok := strings.CutPrefix(line, "@nix ")
	if !ok {
		return logEntry{}, false
	}
	var e logEntry
	if json.Unmarshal([]byte(text), &e) != nil {
		return logEntry{}, false
	}
	return e, true
}

// text is a field that is a string, "" if there is none.
func (e *logEntry) text(i int) (s string) {
	if i < len(e.Fields) {
		_ = json.Unmarshal(e.Fields[i], &s) // another type is no text
	}
	return s
}

// number is a field that is a number, 0 if there is none.
func (e *logEntry) number(i int) (n int) {
	if i < len(e.Fields) {
		_ = json.Unmarshal(e.Fields[i], &n) // another type is no number
	}
	return n
}

// colours matches what Nix writes to colour its messages.
var colours = ondemand.Regexp(`\x1b\[[0-9;]*m`)

// A verdict is what a message of Nix says about a build or a builder.
type verdict struct {
	kind verdictKind
	drv  store.Path
	on   string // URL of the builder; "" where the message does not say
	why  string

	// Of a machine that is not what it was taken for: what the derivation needs, and what the
	// machine is.
	needs, has machineKind
}

// A machineKind is a system with features.
type machineKind struct {
	systems, features []string
}

type verdictKind int

const (
	// remoteFailed is what a builder has answered about a build.
	remoteFailed verdictKind = iota + 1
	// buildFailed ends a build: one that failed here, or one on a builder, whose reason is
	// then in a message before it or is the builder itself.
	buildFailed
	// unbuildable is a derivation that no machine can build.
	unbuildable
	// unreachable is a builder that does not take a build.
	unreachable
	// nobody says that no machine was found for a derivation, yet.
	nobody
	// consequence says that another failure is why something is not built.
	consequence
	// nothingStarts ends Nix, as no machine builds what is left.
	nothingStarts
)

const drvPattern = `(/nix/store/[^'\s]+\.drv)`

// The messages of Nix 2.8 to 2.34, without colours. Where they differ, the comment has the
// older one first.
var messages = sync.OnceValue(func() map[string]*regexp.Regexp {
	patterns := map[string]string{
		"remote": `(?s)^error: build of '` + drvPattern + `' on '([^']+)' failed: (.*)$`,
		// builder for 'X' failed with exit code 1; Cannot build 'X'. Reason: builder failed with exit code 1.
		"failed": `(?s)^error: (?:(builder for|hash mismatch in fixed-output derivation) '` + drvPattern + `'(.*)|Cannot build '` + drvPattern + `'\.\s*Reason: (.*))$`,
		// a 'x86_64-linux' with features {kvm} is required to build 'X', but I am a 'x86_64-linux' with features {}
		"kind":     `(?s)a '([^']*)' with features \{([^}]*)\} is required to build '` + drvPattern + `', but I am a '([^']*)' with features \{([^}]*)\}`,
		"system":   `(?s)Required system: '([^']*)'.*Current system: '([^']*)'`,
		"features": `(?s)Required features: \{([^}]*)\}.*Available features: \{([^}]*)\}`,
		"cannot":   `(?s)^cannot build on '([^']+)': (?:error: )?(.*)$`,
		"nobody":   `(?s)^Failed to find a machine for remote build!\s+derivation: ([0-9a-df-np-sv-z]{32}-\S+\.drv)\s+required \(system, features\): \(([^,]*), \[?([^\])]*)`,
		"others":   `^error: (?:\d+ dependencies of derivation '|build of '[^']+'(?:, '[^']+')* failed$|some outputs of '|Build failed)`,
		"starts":   `(?si)^error:\s+unable to start any build`,
	}
	all := make(map[string]*regexp.Regexp, len(patterns))
	for name, p := range patterns {
		all[name] = regexp.MustCompile(p)
	}
	return all
})

// judge reads a message of Nix. It reports false for one about no build.
func judge(msg string) (verdict, bool) {
	msg = strings.TrimSpace(colours().ReplaceAllString(msg, ""))
	m := messages()
	if f := m["remote"].FindStringSubmatch(msg); f != nil {
		v := verdict{kind: remoteFailed, drv: store.Path(f[1]), on: f[2], why: answerOf(f[3])}
		v.needs, v.has = kindsIn(f[3])
		return v, true
	}
	if f := m["cannot"].FindStringSubmatch(msg); f != nil {
		return verdict{kind: unreachable, on: f[1], why: firstWords(f[2])}, true
	}
	if k := m["kind"].FindStringSubmatch(msg); k != nil {
		v := verdict{kind: unbuildable, drv: store.Path(k[3])}
		v.needs, v.has = kindsIn(msg)
		return v, true
	}
	if f := m["nobody"].FindStringSubmatch(msg); f != nil {
		return verdict{kind: nobody, drv: store.Path(store.Dir + "/" + f[1]), needs: kindOf(f[2], f[3])}, true
	}
	if m["starts"].MatchString(msg) {
		return verdict{kind: nothingStarts}, true
	}
	if m["others"].MatchString(msg) {
		return verdict{kind: consequence}, true
	}
	f := m["failed"].FindStringSubmatch(msg)
	if f == nil {
		return verdict{}, false
	}
	if f[2] != "" {
		why := strings.TrimRight(firstLineOf(f[3]), ";:. ")
		if f[1] != "builder for" {
			why = f[1] + why
		}
		return verdict{kind: buildFailed, drv: store.Path(f[2]), why: strings.TrimSpace(why)}, true
	}
	why := strings.TrimRight(firstLineOf(f[5]), ";:. ")
	switch {
	case strings.Contains(why, "dependenc"):
		return verdict{kind: consequence}, true
	case strings.Contains(why, "local builds are disabled"), strings.Contains(why, "missing system features"), strings.Contains(why, "platform mismatch"):
		v := verdict{kind: unbuildable, drv: store.Path(f[4])}
		v.needs, v.has = kindsIn(f[5])
		return v, true
	}
	return verdict{kind: buildFailed, drv: store.Path(f[4]), why: strings.TrimSpace(strings.TrimPrefix(why, "builder "))}, true
}

// answerOf is what a builder has answered, without the words by which Nix 2.34 begins it.
func answerOf(text string) string {
	text = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), "error: "))
	if f := messages()["failed"].FindStringSubmatch("error: " + text); f != nil && f[4] != "" {
		return strings.TrimSpace(f[5])
	}
	return text
}

// kindsIn finds in a message what a derivation needs, and what the machine is that does not
// build it.
func kindsIn(msg string) (needs, has machineKind) {
	m := messages()
	if k := m["kind"].FindStringSubmatch(msg); k != nil {
		return kindOf(k[1], k[2]), kindOf(k[4], k[5])
	}
	if k := m["system"].FindStringSubmatch(msg); k != nil {
		needs, has = kindOf(k[1], ""), kindOf(k[2], "")
	}
	if k := m["features"].FindStringSubmatch(msg); k != nil {
		needs.features, has.features = kindOf("", k[1]).features, kindOf("", k[2]).features
	}
	return needs, has
}

// kindOf reads systems and features as messages have them: parted by commas and spaces.
func kindOf(systems, features string) machineKind {
	split := func(r rune) bool { return r == ',' || r == ' ' }
	return machineKind{systems: strings.FieldsFunc(systems, split), features: strings.FieldsFunc(features, split)}
}

func firstLineOf(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// firstWords is a text on one line.
func firstWords(s string) string { return strings.Join(strings.Fields(s), " ") }
