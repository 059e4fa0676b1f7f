package sshconfig

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// A File is one configuration file.
type File struct {
	Name       string // for messages
	Text       string
	IncludeDir string // holds the files that a relative Include names: ~/.ssh for the user's file, /etc/ssh for the system's
}

// Values are what a configuration sets for one host: the raw values of each keyword, which is in lower case.
type Values map[string][]string

func (v Values) first(key string) string {
	if texts := v[key]; len(texts) > 0 {
		return texts[0]
	}
	return ""
}

// manyValues are the keywords that take several values on one line.
var manyValues = map[string]bool{"userknownhostsfile": true, "globalknownhostsfile": true}

// accumulated are the keywords of which every line counts. Of all others, only the first line does.
var accumulated = map[string]bool{"identityfile": true, "certificatefile": true}

// The limits of what a configuration includes. A file may include itself under many names.
const (
	maxIncludeDepth = 16
	maxIncludes     = 4096     // files
	maxIncluded     = 12 << 20 // bytes of them
)

// Read collects the values that apply to a host. The first file that sets a keyword wins.
func Read(files []File, q Query, env Env) (Values, error) {
	r := &reader{env: &env, query: q, values: Values{}}
	for {
		for _, f := range files {
			if err := r.file(f, true, 0); err != nil {
				return nil, err
			}
		}
		// "Match final" asks for a second pass, in which Match sees the final name of the host.
		if !r.wantsFinal || r.final {
			return r.values, nil
		}
		r.final, r.includes, r.included = true, 0, 0
	}
}

type reader struct {
	env        *Env
	query      Query
	values     Values
	final      bool // this is the second pass
	wantsFinal bool // a second pass is needed
	includes   int  // files that were included in this pass
	included   int  // bytes of them
}

// file reads one file. active says whether the lines before the first Host or Match count.
func (r *reader) file(f File, active bool, depth int) error {
	if depth > maxIncludeDepth {
		return fmt.Errorf("read ssh configuration %s: includes nested too deeply", f.Name)
	}
	enclosing := active
	n := 0
	for text := range strings.Lines(f.Text) {
		n++
		key, args, err := splitLine(text)
		switch {
		case err != nil || key == "":
		case key == "host":
			active = enclosing && MatchList(r.query.Host, args)
		case key == "match":
			active, err = r.match(args)
			if !enclosing {
				// ssh reads the criteria here too, whose "final" counts, but no error in them does.
				active, err = false, nil
			}
		case key == "include":
			err = r.include(args, f.IncludeDir, active, depth)
		case active:
			r.set(key, args)
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", f.Name, n, err)
		}
	}
	return nil
}

func (r *reader) include(patterns []string, dir string, active bool, depth int) error {
	for _, pattern := range patterns {
		if rest, ok := strings.CutPrefix(pattern, "~/"); ok {
			pattern = filepath.Join(r.env.Home, rest)
		} else if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(dir, pattern)
		}
		names, err := r.env.glob(pattern)
		if err != nil {
			return fmt.Errorf("include %s: %w", pattern, err)
		}
		for _, name := range names {
			text, err := r.env.read(name)
			if err != nil {
				return fmt.Errorf("read ssh configuration: %w", err)
			}
			r.includes++
			r.included += len(text)
			if r.includes > maxIncludes || r.included > maxIncluded {
				return fmt.Errorf("include %s: more than %d files or %d bytes are included", name, maxIncludes, maxIncluded)
			}
			if err := r.file(File{Name: name, Text: string(text), IncludeDir: dir}, active, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// set records a line that applies to the host.
func (r *reader) set(key string, args []string) {
	// ProxyJump and ProxyCommand exclude each other: the first one wins, but "ProxyJump none" leaves room for a command.
	if key == "proxyjump" && r.values["proxycommand"] != nil {
		return
	}
	if jump := r.values["proxyjump"]; key == "proxycommand" && jump != nil && jump[0] != "none" {
		return
	}
	_, set := r.values[key]
	switch {
	case accumulated[key]:
		if !slices.Contains(r.values[key], args[0]) {
			r.values[key] = append(r.values[key], args[0])
		}
	case set:
	case manyValues[key]:
		r.values[key] = args
	default:
		r.values[key] = args[:1]
	}
}
