package sshconfig

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A File is one configuration file.
type File struct {
	Name       string // for messages
	Text       string
	IncludeDir string // holds the files that a relative Include names: ~/.ssh for the user's file, /etc/ssh for the system's
	System     bool   // the system's file, in which no Include may begin with ~
}

// The limits of what a configuration includes. A file may include itself under many names.
const (
	maxIncludeDepth = 16
	maxIncludes     = 4096     // files
	maxIncluded     = 12 << 20 // bytes of them
)

// A reader reads the files of a configuration, once or twice. As ssh does, it refuses a line that is wrong also where
// the line is for other hosts.
type reader struct {
	env        *Env
	query      Query
	host       string // the name that Host is compared with: the one asked for, then the final one
	values     map[string][]string
	places     map[string]string // the line that sets a keyword: file:line
	at         string            // the line that is read
	final      bool              // this is the second pass
	wantsFinal bool              // a second pass is needed
	includes   int               // files that were included in this pass
	included   int               // bytes of them
}

func newReader(q Query, env *Env) *reader {
	r := &reader{env: env, query: q, host: q.Host, values: map[string][]string{}, places: map[string]string{}}
	if q.User != "" {
		r.values["user"] = []string{q.User}
	}
	if q.Port != 0 {
		r.values["port"] = []string{strconv.Itoa(q.Port)}
	}
	return r
}

// pass reads all files.
func (r *reader) pass(files []File) error {
	r.includes, r.included = 0, 0
	for _, f := range files {
		if err := r.file(f, true, 0); err != nil {
			return err
		}
	}
	return nil
}

// first is the first value of a keyword.
func (r *reader) first(key string) string {
	if texts := r.values[key]; len(texts) > 0 {
		return texts[0]
	}
	return ""
}

// A section says for which hosts lines are.
type section struct {
	file      File
	depth     int
	enclosing bool // the file's lines can count at all
	active    bool // the lines count
}

// file reads one file. active says whether the lines before the first Host or Match count.
func (r *reader) file(f File, active bool, depth int) error {
	if depth > maxIncludeDepth {
		return fmt.Errorf("read ssh configuration %s: includes nested too deeply", f.Name)
	}
	s := &section{file: f, depth: depth, enclosing: active, active: active}
	n := 0
	for text := range strings.Lines(f.Text) {
		n++
		r.at = f.Name + ":" + strconv.Itoa(n)
		at := r.at
		l, err := parseLine(text)
		if err == nil && l != nil {
			err = r.line(s, l)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
	}
	return nil
}

func (r *reader) line(s *section, l *line) (err error) {
	switch l.key {
	case "host":
		patterns := l.all()
		if !s.enclosing { // ssh looks no further then
			patterns = patterns[:min(1, len(patterns))]
		}
		s.active, err = r.isFor(patterns)
		s.active = s.active && s.enclosing
	case "match":
		s.active, err = r.match(l, s.enclosing)
	case "include":
		return r.include(l.all(), s)
	default:
		err = r.setting(l, s.active)
	}
	if err == nil && len(l.args) > 0 {
		err = fmt.Errorf("unexpected %q at the end of the line", l.args[0])
	}
	if err != nil && l.key != "match" {
		err = fmt.Errorf("%s: %w", l.key, err)
	}
	return err
}

// isFor reports whether a line of Host names the host. Case counts.
func (r *reader) isFor(patterns []string) (bool, error) {
	found := false
	for _, p := range patterns {
		if p == "" {
			return false, errors.New("an empty pattern")
		}
		p, negated := strings.CutPrefix(p, "!")
		if MatchPattern(r.host, p) {
			if negated {
				return false, nil
			}
			found = true
		}
	}
	return found, nil
}

func (r *reader) include(patterns []string, s *section) error {
	t, err := r.tokens()
	if err != nil {
		return err
	}
	for _, pattern := range patterns {
		if pattern == "" {
			return errors.New("include: an empty name")
		}
		if pattern, err = expand(pattern, t, r.env); err != nil {
			continue // as ssh does
		}
		if pattern[:min(1, len(pattern))] == "~" {
			if s.file.System {
				return fmt.Errorf("include %s: the system's configuration has no home directory", pattern)
			}
			if pattern, err = tilde(pattern, r.env); err != nil {
				continue // no file matches
			}
		} else if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(s.file.IncludeDir, pattern)
		}
		names, err := r.env.glob(pattern)
		if err != nil {
			return fmt.Errorf("include %s: %w", pattern, err)
		}
		for _, name := range names {
			if err := r.includeFile(name, s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reader) includeFile(name string, s *section) error {
	text, err := r.env.read(name)
	if err != nil {
		return fmt.Errorf("read ssh configuration: %w", err)
	}
	r.includes++
	r.included += len(text)
	if r.includes > maxIncludes || r.included > maxIncluded {
		return fmt.Errorf("include %s: more than %d files or %d bytes are included", name, maxIncludes, maxIncluded)
	}
	return r.file(File{Name: name, Text: string(text), IncludeDir: s.file.IncludeDir, System: s.file.System}, s.active, s.depth+1)
}

// setting reads the value of a keyword, and keeps it where the line counts.
func (r *reader) setting(l *line, active bool) error {
	k := keywordsByName[l.key]
	if k == nil || k.parse == nil {
		if list := r.first("ignoreunknown"); judge(l.key, strings.ToLower(list)) == match || slices.Contains(r.env.Others, l.key) {
			l.all()
			return nil
		}
		return errors.New("there is no such keyword in ssh_config(5): correct it, or name it in IgnoreUnknown")
	}
	key := lower(k.name)
	value, err := k.parse(l, r.env)
	if err != nil {
		return err
	}
	if key == "proxyjump" {
		if _, err := parseJump(value[0], r.env); err != nil {
			return err
		}
	}
	// These two count in all sections, for ssh does not look.
	if value == nil || !active && key != "syslogfacility" && key != "streamlocalbindmask" {
		return nil
	}
	return r.set(k, key, value)
}

func (r *reader) set(k *keyword, key string, value []string) error {
	_, isSet := r.values[key]
	switch {
	case key == "sendenv":
		r.sendEnv(value)
	case k.many:
		if slices.Contains(r.values[key], value[0]) {
			return nil
		}
		if len(r.values[key]) == maxFiles {
			return fmt.Errorf("more than %d of them", maxFiles)
		}
		r.values[key] = append(r.values[key], value...)
		if at, to, ok := strings.Cut(value[0], " "); ok && key == "localforward" && strings.Contains(to, "/") {
			// ssh -G lists what is forwarded to a socket as a proxy too.
			r.values["dynamicforward"] = append(r.values["dynamicforward"], at)
		}
	case key == "rekeylimit":
		r.rekeyLimit(value)
	case key == "forwardagent" && isSet && meaningless(value[0]) && meaningful(r.first(key)):
		r.values[key] = value // the socket is a setting of its own
	case key == "streamlocalbindmask": // the last one wins
		r.values[key] = value
	case isSet, r.excluded(key):
	default:
		r.values[key], r.places[key] = value, r.at
	}
	return nil
}

// maxFiles is how many files of a kind ssh takes.
const maxFiles = 100

func meaningful(value string) bool  { _, ok := meaning(value, yesNo); return ok }
func meaningless(value string) bool { return !meaningful(value) }

// excluded reports whether another line rules out the keyword: of ProxyJump and ProxyCommand the first one wins, but
// "ProxyJump none" leaves room for a command.
func (r *reader) excluded(key string) bool {
	switch key {
	case "proxyjump":
		return r.values["proxycommand"] != nil
	case "proxycommand":
		return r.values["proxyjump"] != nil && !strings.EqualFold(r.first("proxyjump"), "none")
	}
	return false
}

// sendEnv adds variables, and removes those that follow a minus.
func (r *reader) sendEnv(names []string) {
	for _, name := range names {
		if pattern, remove := strings.CutPrefix(name, "-"); remove {
			r.values["sendenv"] = slices.DeleteFunc(r.values["sendenv"], func(n string) bool { return MatchPattern(n, pattern) })
		} else {
			r.values["sendenv"] = append(r.values["sendenv"], name)
		}
	}
}

// rekeyLimit sets the bytes and the time each where no line before has.
func (r *reader) rekeyLimit(value []string) {
	have := r.values["rekeylimit"]
	if have == nil {
		r.values["rekeylimit"] = value
	} else if have[1] == "" {
		have[1] = value[1]
	}
}
