package nixcmd

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"muster/compile/syntax"
)

// Settings are Nix's settings that change what an evaluation results in.
type Settings struct {
	System               string   // of derivations and builtins.currentSystem; defaults to this machine's
	SearchPath           []string // entries of $NIX_PATH, of the setting nix-path, or the user's channels
	ExperimentalFeatures []string
	PureEval             bool
	RestrictEval         bool
	TraceVerbose         bool
	AbortOnWarn          bool
	Lints                syntax.Lints

	// NoImportFromDerivation is true if allow-import-from-derivation is off.
	NoImportFromDerivation bool
	// MaxCallDepth limits nested calls; 0 if it is not set.
	MaxCallDepth int
}

// A Setting is a Nix setting given on the command line, such as pure-eval true.
type Setting struct{ Name, Value string }

// A SettingsSource is where Nix's settings are read from: the environment and
// the files of the machine.
//
//	source := nixcmd.SettingsSource{LookupEnv: os.LookupEnv, ReadFile: os.ReadFile, Stat: os.Stat, Home: home}
//	settings, err := source.Read(nil)
type SettingsSource struct {
	LookupEnv func(name string) (value string, ok bool)
	ReadFile  func(name string) ([]byte, error)
	Stat      func(name string) (fs.FileInfo, error)
	Home      string // the user's home directory
}

// Read reads the settings in Nix's own order: the machine's nix.conf, the
// user's, $NIX_CONFIG, then overrides. Later values replace earlier ones. A file
// that cannot be read counts as empty, as it does for Nix.
func (s SettingsSource) Read(overrides []Setting) (Settings, error) {
	r := settingsReader{readFile: s.ReadFile, values: settingValues{}, open: map[string]bool{}}
	r.file(filepath.Join(s.getenv("NIX_CONF_DIR", "/etc/nix"), "nix.conf"))
	for _, file := range slices.Backward(s.userFiles()) {
		r.file(file)
	}
	r.text(s.getenv("NIX_CONFIG", ""), ".")
	for _, o := range overrides {
		r.values.set(o.Name, o.Value)
	}
	settings, err := r.values.settings()
	if err != nil {
		return Settings{}, err
	}
	settings.SearchPath = s.searchPath(r.values)
	// Nix takes this one from the environment too.
	abort, _ := s.LookupEnv("NIX_ABORT_ON_WARN")
	settings.AbortOnWarn = settings.AbortOnWarn || isOn(abort)
	return settings, nil
}

// userFiles returns the user's nix.conf files, the most important first.
func (s SettingsSource) userFiles() []string {
	if files, ok := s.LookupEnv("NIX_USER_CONF_FILES"); ok {
		return filepath.SplitList(files)
	}
	dirs := append([]string{s.getenv("XDG_CONFIG_HOME", filepath.Join(s.Home, ".config"))},
		filepath.SplitList(s.getenv("XDG_CONFIG_DIRS", "/etc/xdg"))...)
	for i := range dirs {
		dirs[i] = filepath.Join(dirs[i], "nix", "nix.conf")
	}
	return dirs
}

func (s SettingsSource) getenv(name, otherwise string) string {
	if v, _ := s.LookupEnv(name); v != "" {
		return v
	}
	return otherwise
}

// searchPath returns the entries that <name> is looked up in.
func (s SettingsSource) searchPath(values settingValues) []string {
	if path, ok := s.LookupEnv("NIX_PATH"); ok {
		return splitNixPath(path)
	}
	if path, ok := values["nix-path"]; ok {
		return strings.Fields(path)
	}
	if values.on("pure-eval") || values.on("restrict-eval") {
		return nil
	}
	return s.channels()
}

// channels returns the entries of those channels of the user and of root that
// exist.
func (s SettingsSource) channels() []string {
	const root = "/nix/var/nix/profiles/per-user/root/channels"
	var entries []string
	for _, e := range []string{filepath.Join(s.Home, ".nix-defexpr", "channels"), "nixpkgs=" + root + "/nixpkgs", root} {
		if _, err := s.Stat(strings.TrimPrefix(e, "nixpkgs=")); err == nil {
			entries = append(entries, e)
		}
	}
	return entries
}

// splitNixPath splits $NIX_PATH at its colons, but not at the colon of a URL.
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

// A settingsReader collects settings from nix.conf files.
type settingsReader struct {
	readFile func(name string) ([]byte, error)
	values   settingValues
	open     map[string]bool // files that are being read: they may include themselves
}

// file adds the settings of a file, if it exists.
func (r settingsReader) file(name string) {
	if r.open[name] {
		return
	}
	r.open[name] = true
	defer delete(r.open, name)
	if text, err := r.readFile(name); err == nil {
		r.text(string(text), filepath.Dir(name))
	}
}

// text adds settings from lines of the form "name = value". Included files are
// relative to dir. Other lines are ignored: Nix itself reports them.
func (r settingsReader) text(text, dir string) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		switch {
		case len(words) == 2 && (words[0] == "include" || words[0] == "!include"):
			name := words[1]
			if !filepath.IsAbs(name) {
				name = filepath.Join(dir, name)
			}
			r.file(name)
		case len(words) >= 2 && words[1] == "=":
			r.values.set(words[0], strings.Join(words[2:], " "))
		}
	}
}

// settingValues are settings by name, as text.
type settingValues map[string]string

// set sets a setting; extra-NAME appends to NAME.
func (v settingValues) set(name, value string) {
	if list, ok := strings.CutPrefix(name, "extra-"); ok {
		v[list] = strings.TrimSpace(v[list] + " " + value)
		return
	}
	v[name] = value
}

func (v settingValues) on(name string) bool { return isOn(v[name]) }

func isOn(value string) bool { return slices.Contains([]string{"true", "yes", "1"}, value) }

// settings parses the values, but for the search path.
func (v settingValues) settings() (Settings, error) {
	s := Settings{
		System:               thisSystem(),
		ExperimentalFeatures: strings.Fields(v["experimental-features"]),
		PureEval:             v.on("pure-eval"),
		RestrictEval:         v.on("restrict-eval"),
		TraceVerbose:         v.on("trace-verbose"),
		AbortOnWarn:          v.on("abort-on-warn"),
	}
	imports := v["allow-import-from-derivation"]
	s.NoImportFromDerivation = imports != "" && !isOn(imports)
	for _, name := range []string{"system", "eval-system"} {
		if v[name] != "" {
			s.System = v[name]
		}
	}
	if text, ok := v["max-call-depth"]; ok {
		n, err := strconv.Atoi(text)
		if err != nil || n <= 0 {
			return Settings{}, fmt.Errorf("setting max-call-depth: want a number, not %q", text)
		}
		s.MaxCallDepth = n
	}
	for name, lint := range map[string]*syntax.Lint{
		"lint-url-literals":           &s.Lints.URLs,
		"lint-short-path-literals":    &s.Lints.ShortPaths,
		"lint-absolute-path-literals": &s.Lints.AbsolutePaths,
	} {
		switch level := v[name]; level {
		case "", "ignore":
		case "warn":
			*lint = syntax.LintWarn
		case "fatal":
			*lint = syntax.LintFatal
		default:
			return Settings{}, fmt.Errorf("setting %s: want ignore, warn or fatal, not %q", name, level)
		}
	}
	return s, nil
}

// thisSystem is what Nix calls this machine's system, such as x86_64-linux.
func thisSystem() string {
	cpu := map[string]string{"amd64": "x86_64", "arm64": "aarch64", "386": "i686"}[runtime.GOARCH]
	if cpu == "" {
		cpu = runtime.GOARCH
	}
	return cpu + "-" + runtime.GOOS
}

// WithSettings returns a Nix that has settings on top of those in its files.
// Config is the value of $NIX_CONFIG that they are added to.
func (n *Nix) WithSettings(config string, settings []Setting) *Nix {
	if len(settings) == 0 {
		return n
	}
	for _, s := range settings {
		config += "\n" + s.Name + " = " + s.Value
	}
	return &Nix{Env: append(slices.Clone(n.Env), "NIX_CONFIG="+config)}
}
