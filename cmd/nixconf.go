package cmd

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"muster/compile/eval"
	"muster/compile/syntax"
)

// nixSettings are Nix's settings by name. The embedded evaluator heeds those
// that change what an evaluation gives.
type nixSettings map[string]string

// readNixSettings reads what Nix would: nix.conf of the machine, then those of
// the user, then $NIX_CONFIG. What comes later counts.
func readNixSettings() nixSettings {
	s := nixSettings{}
	s.readFile(filepath.Join(envOr("NIX_CONF_DIR", "/etc/nix"), "nix.conf"))
	for _, file := range slices.Backward(userConfFiles()) {
		s.readFile(file)
	}
	s.read(os.Getenv("NIX_CONFIG"), ".")
	return s
}

// userConfFiles are the user's nix.conf files, the most important first.
func userConfFiles() []string {
	if files, ok := os.LookupEnv("NIX_USER_CONF_FILES"); ok {
		return filepath.SplitList(files)
	}
	home, _ := os.UserHomeDir()
	dirs := append([]string{envOr("XDG_CONFIG_HOME", filepath.Join(home, ".config"))},
		filepath.SplitList(envOr("XDG_CONFIG_DIRS", "/etc/xdg"))...)
	for i := range dirs {
		dirs[i] = filepath.Join(dirs[i], "nix", "nix.conf")
	}
	return dirs
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// readFile reads a file, if there is one.
func (s nixSettings) readFile(name string) {
	if text, err := os.ReadFile(name); err == nil {
		s.read(string(text), filepath.Dir(name))
	}
}

// read reads lines "name = value"; files they include are relative to dir. What
// is none of that, Nix itself complains about.
func (s nixSettings) read(text, dir string) {
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(line)
		switch {
		case len(words) == 2 && (words[0] == "include" || words[0] == "!include"):
			s.readFile(absolute(dir, words[1]))
		case len(words) >= 2 && words[1] == "=":
			s.set(words[0], strings.Join(words[2:], " "))
		}
	}
}

// set sets one; extra-NAME adds to what NAME is.
func (s nixSettings) set(name, value string) {
	if list, ok := strings.CutPrefix(name, "extra-"); ok {
		s[list] = strings.TrimSpace(s[list] + " " + value)
		return
	}
	s[name] = value
}

func (s nixSettings) on(name string) bool {
	return slices.Contains([]string{"true", "yes", "1"}, s[name])
}

// apply has an evaluator heed them.
func (s nixSettings) apply(o *eval.Options) error {
	o.Features = strings.Fields(s["experimental-features"])
	o.Pure, o.Restricted = s.on("pure-eval"), s.on("restrict-eval")
	o.TraceVerbose = s.on("trace-verbose")
	o.AbortOnWarn = o.AbortOnWarn || s.on("abort-on-warn")
	if v, ok := s["allow-import-from-derivation"]; ok && !s.on("allow-import-from-derivation") {
		o.NoImportFromDerivation = v != ""
	}
	for _, name := range []string{"system", "eval-system"} {
		if s[name] != "" {
			o.System = s[name]
		}
	}
	if text, ok := s["max-call-depth"]; ok {
		n, err := strconv.Atoi(text)
		if err != nil || n <= 0 {
			return fmt.Errorf("setting max-call-depth: want a number, not %q", text)
		}
		o.MaxDepth = min(n, maxCallDepth)
	}
	for name, lint := range map[string]*syntax.Lint{
		"lint-url-literals":           &o.Lints.URLs,
		"lint-short-path-literals":    &o.Lints.ShortPaths,
		"lint-absolute-path-literals": &o.Lints.AbsolutePaths,
	} {
		switch level := s[name]; level {
		case "", "ignore":
		case "warn":
			*lint = syntax.LintWarn
		case "fatal":
			*lint = syntax.LintFatal
		default:
			return fmt.Errorf("setting %s: want ignore, warn or fatal, not %q", name, level)
		}
	}
	return nil
}

// maxCallDepth is the deepest that any setting lets calls go: what a stack of
// this process can hold.
const maxCallDepth = 1_000_000

// searchPath is where <name> is looked for: first, what -I says; then $NIX_PATH,
// the setting nix-path or, where there is neither, the user's channels and
// root's.
func (s nixSettings) searchPath(first []string) []eval.SearchEntry {
	entries := slices.Clone(first)
	if path, ok := os.LookupEnv("NIX_PATH"); ok {
		entries = append(entries, splitNixPath(path)...)
	} else if path, ok := s["nix-path"]; ok {
		entries = append(entries, strings.Fields(path)...)
	} else if !s.on("pure-eval") && !s.on("restrict-eval") {
		entries = append(entries, channels()...)
	}
	var path []eval.SearchEntry
	for _, e := range entries {
		if e == "" {
			continue
		}
		prefix, dir, ok := strings.Cut(e, "=")
		if !ok {
			prefix, dir = "", e
		}
		path = append(path, eval.SearchEntry{Prefix: prefix, Path: dir})
	}
	return path
}

// splitNixPath splits at colons, but not behind https and its kind.
func splitNixPath(path string) []string {
	var entries []string
	begin := 0
	for i := 0; i <= len(path); i++ {
		if i < len(path) && (path[i] != ':' || inURL(path[begin:i], path[i+1:])) {
			continue
		}
		entries = append(entries, path[begin:i])
		begin = i + 1
	}
	return entries
}

// inURL reports whether the colon between before and after belongs to a URL
// that is an entry of the search path.
func inURL(before, after string) bool {
	if _, value, ok := strings.Cut(before, "="); ok {
		before = value
	}
	return strings.HasPrefix(after, "//") || before == "channel" || before == "flake"
}

// channels are the channels of the user and of root that there are.
func channels() []string {
	const root = "/nix/var/nix/profiles/per-user/root/channels"
	home, _ := os.UserHomeDir()
	var entries []string
	for _, e := range []string{filepath.Join(home, ".nix-defexpr", "channels"), "nixpkgs=" + root + "/nixpkgs", root} {
		if _, err := os.Stat(strings.TrimPrefix(e, "nixpkgs=")); err == nil {
			entries = append(entries, e)
		}
	}
	return entries
}
