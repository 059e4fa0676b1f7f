package nixcmd

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/compile/syntax"
	"muster/exec/foreign"
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

	AccessTokens      map[string]string // by host, or host/owner
	NetrcFile         string            // "" if it is not set
	FlakeRegistry     string            // a file or URL; "" if it is not set
	AcceptFlakeConfig bool
	BuildSystems      []string // that this machine builds for, its own first
	Builders          string   // build machines in Nix's notation, or files of them behind @; "" for none
	// TarballTTL is for how long what a branch or URL was is used again; 0 if it is not
	// set.
	TarballTTL time.Duration // negative: never

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
//	source := nixcmd.SettingsSource{LookupEnv: os.LookupEnv, ReadFile: nixcmd.ReadSettings, Stat: os.Stat, Home: home}
//	settings, err := source.Read(nil)
type SettingsSource struct {
	LookupEnv func(name string) (value string, ok bool)
	ReadFile  func(name string) ([]byte, error)
	Stat      func(name string) (fs.FileInfo, error)
	Home      string // the user's home directory; "" if it is not known
}

// The limits of all nix.conf files together, which may include each other.
const (
	maxConfText  = 4 << 20 // bytes
	maxConfFiles = 500
	maxConfDepth = 20 // files that include each other
)

// ReadSettings reads a nix.conf file. It must be this user's or root's, and not
// one that others may write to.
func ReadSettings(name string) ([]byte, error) {
	return foreign.ReadFile(name, foreign.Settings(maxConfText))
}

// Read reads the settings in Nix's own order: the machine's nix.conf, the
// user's, $NIX_CONFIG, then overrides. Later values replace earlier ones. A file
// that does not exist counts as empty, as it does for Nix; about any other that
// cannot be read there is an error, as about a line that is not a setting.
func (s SettingsSource) Read(overrides []Setting) (Settings, error) {
	r := &settingsReader{readFile: s.ReadFile, values: settingValues{}}
	for _, file := range append([]string{filepath.Join(s.getenv("NIX_CONF_DIR", "/etc/nix"), "nix.conf")}, s.userFiles()...) {
		if err := r.file(file, false); err != nil {
			return Settings{}, fmt.Errorf("read Nix's settings: %w", err)
		}
	}
	if err := r.text(s.getenv("NIX_CONFIG", ""), "$NIX_CONFIG", "."); err != nil {
		return Settings{}, fmt.Errorf("read Nix's settings: %w", err)
	}
	for _, o := range overrides {
		r.values.set(o.Name, o.Value, "")
	}
	settings, err := r.values.settings()
	if err != nil {
		return Settings{}, err
	}
	settings.SearchPath = s.searchPath(r.values)
	settings.Builders, settings.BuildSystems = s.builders(r.values), buildSystems(r.values)
	// Nix takes this one from the environment too.
	abort, _ := s.LookupEnv("NIX_ABORT_ON_WARN")
	settings.AbortOnWarn = settings.AbortOnWarn || isOn(abort)
	return settings, nil
}

// userFiles returns the user's nix.conf files, the most important last.
func (s SettingsSource) userFiles() []string {
	if files, ok := s.LookupEnv("NIX_USER_CONF_FILES"); ok {
		list := filepath.SplitList(files)
		slices.Reverse(list)
		return list
	}
	dirs := filepath.SplitList(s.getenv("XDG_CONFIG_DIRS", "/etc/xdg"))
	slices.Reverse(dirs)
	if home := s.getenv("XDG_CONFIG_HOME", ""); home != "" || s.Home != "" {
		dirs = append(dirs, cmp.Or(home, filepath.Join(s.Home, ".config")))
	}
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
		return strings.Fields(path.text)
	}
	if values.on("pure-eval") || values.on("restrict-eval") {
		return nil
	}
	return s.channels()
}

// builders are those of the setting, else of the files in $NIX_REMOTE_SYSTEMS, else of the
// file machines beside nix.conf.
func (s SettingsSource) builders(values settingValues) string {
	if set, ok := values["builders"]; ok {
		return set.text
	}
	files := []string{filepath.Join(s.getenv("NIX_CONF_DIR", "/etc/nix"), "machines")}
	if named := s.getenv("NIX_REMOTE_SYSTEMS", ""); named != "" {
		files = strings.Split(named, ":")
	}
	return "@" + strings.Join(files, "\n@")
}

// buildSystems are the system of this machine, and those of the setting extra-platforms, or of
// its default.
func buildSystems(values settingValues) []string {
	own := cmp.Or(values["system"].text, thisSystem())
	more, set := values["extra-platforms"]
	switch {
	case own == "x86_64-linux":
		more.text += " i686-linux" // its default; where the setting leaves it out, Nix says so when it builds
	case own == "aarch64-darwin" && !set:
		more.text = "x86_64-darwin"
	}
	return append([]string{own}, strings.Fields(more.text)...)
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
	open     []string // files that are being read, each included by the one before
	files    int      // that were read
	size     int      // of these, in bytes
}

// file adds the settings of a file, if it exists. One that is there and may not be
// read is an error, unless tolerant.
func (r *settingsReader) file(name string, tolerant bool) error {
	if slices.Contains(r.open, name) {
		return nil // it includes itself, which adds nothing
	}
	if len(r.open) >= maxConfDepth {
		return fmt.Errorf("files include each other more than %d deep", maxConfDepth)
	}
	text, err := r.readFile(name)
	if foreign.IsMissing(err) || tolerant && errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	r.files++
	r.size += len(text)
	if r.files > maxConfFiles || r.size > maxConfText {
		return fmt.Errorf("%s and what it includes are more than %d files or %d bytes", name, maxConfFiles, maxConfText)
	}
	r.open = append(r.open, name)
	defer func() { r.open = r.open[:len(r.open)-1] }()
	return r.text(string(text), name, filepath.Dir(name))
}

// text adds settings from lines of the form "name = value". Included files are
// relative to dir.
func (r *settingsReader) text(text, name, dir string) error {
	n := 0
	for line := range strings.Lines(text) {
		n++
		at := fmt.Sprintf("%s:%d", name, n)
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case len(words) == 2 && (words[0] == "include" || words[0] == "!include"):
			file := words[1]
			if !filepath.IsAbs(file) {
				file = filepath.Join(dir, file)
			}
			if err := r.file(file, words[0] == "!include"); err != nil {
				return fmt.Errorf("%s: %w", at, err)
			}
		case len(words) >= 2 && words[1] == "=":
			r.values.set(words[0], strings.Join(words[2:], " "), at)
		default:
			return fmt.Errorf("%s: want NAME = VALUE, not %s", at, shown(strings.TrimSpace(line)))
		}
	}
	return nil
}

// shown quotes a text for a message, or the beginning of a long one.
func shown(text string) string {
	if len(text) > 60 {
		return strconv.Quote(text[:60]) + "…"
	}
	return strconv.Quote(text)
}

// settingValues are settings by name.
type settingValues map[string]settingValue

type settingValue struct {
	text string
	at   string // file:line; "" for one of the command line
}

// set sets a setting; extra-NAME appends to NAME.
func (v settingValues) set(name, value, at string) {
	if list, ok := strings.CutPrefix(name, "extra-"); ok {
		name, value = list, strings.TrimSpace(v[list].text+" "+value)
	}
	v[name] = settingValue{text: value, at: at}
}

func (v settingValues) on(name string) bool { return isOn(v[name].text) }

// wrong is the error about a setting that has not a value that is wanted.
func (v settingValues) wrong(name, want string) error {
	err := fmt.Errorf("setting %s: want %s, not %s", name, want, shown(v[name].text))
	if at := v[name].at; at != "" {
		return fmt.Errorf("%s: %w", at, err)
	}
	return err
}

func isOn(value string) bool { return slices.Contains([]string{"true", "yes", "1"}, value) }

// settings parses the values, but for the search path.
func (v settingValues) settings() (Settings, error) {
	s := Settings{
		System:               thisSystem(),
		ExperimentalFeatures: strings.Fields(v["experimental-features"].text),
		PureEval:             v.on("pure-eval"),
		RestrictEval:         v.on("restrict-eval"),
		TraceVerbose:         v.on("trace-verbose"),
		AbortOnWarn:          v.on("abort-on-warn"),
		NetrcFile:            v["netrc-file"].text,
		FlakeRegistry:        v["flake-registry"].text,
		AcceptFlakeConfig:    v.on("accept-flake-config"),
	}
	imports := v["allow-import-from-derivation"].text
	s.NoImportFromDerivation = imports != "" && !isOn(imports)
	for _, name := range []string{"system", "eval-system"} {
		s.System = cmp.Or(v[name].text, s.System)
	}
	if depth, ok := v["max-call-depth"]; ok {
		n, err := strconv.Atoi(depth.text)
		if err != nil || n <= 0 {
			return Settings{}, v.wrong("max-call-depth", "a number")
		}
		s.MaxCallDepth = n
	}
	if ttl, ok := v["tarball-ttl"]; ok {
		n, err := strconv.ParseInt(ttl.text, 10, 32)
		if err != nil || n < 0 {
			return Settings{}, v.wrong("tarball-ttl", "a number of seconds")
		}
		s.TarballTTL = time.Duration(n) * time.Second
		if n == 0 {
			s.TarballTTL = -1
		}
	}
	for word := range strings.FieldsSeq(v["access-tokens"].text) {
		host, token, ok := strings.Cut(word, "=")
		if !ok {
			return Settings{}, errors.New("setting access-tokens: want HOST=TOKEN") // without the value, which is secret
		}
		if s.AccessTokens == nil {
			s.AccessTokens = map[string]string{}
		}
		s.AccessTokens[host] = token
	}
	for name, lint := range map[string]*syntax.Lint{
		"lint-url-literals":           &s.Lints.URLs,
		"lint-short-path-literals":    &s.Lints.ShortPaths,
		"lint-absolute-path-literals": &s.Lints.AbsolutePaths,
	} {
		switch v[name].text {
		case "", "ignore":
		case "warn":
			*lint = syntax.LintWarn
		case "fatal":
			*lint = syntax.LintFatal
		default:
			return Settings{}, v.wrong(name, "ignore, warn or fatal")
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
