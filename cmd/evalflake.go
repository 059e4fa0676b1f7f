package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"muster/cmd/flags"
	"muster/compile/eval"
	"muster/compile/flake"
	"muster/compile/flake/fetch"
	"muster/exec/evaluate"
	"muster/exec/nixcmd"
)

// flakeFlags evaluate an output of a flake, as nix eval does.
type flakeFlags struct {
	ref    string
	apply  string
	raw    bool
	config bool
}

func (f *flakeFlags) addFlags(fs *flags.Set) {
	fs.Var(flags.Of(&f.ref, "", flakeReference), "flake", "evaluate this output of a `flake` instead of an inventory, such as .#packages.x86_64-linux.hello")
	fs.Var(flags.Of(&f.apply, "", nixExpression), "apply", "with --flake: apply this function, a Nix `expression`, to the output")
	fs.Var(flags.Bool(&f.raw, false), "raw", "with --flake: print a string without quotes")
	fs.Var(flags.Bool(&f.config, false), "accept-flake-config", "with --flake: obey the flake's nixConfig")
}

func (f *flakeFlags) given() bool { return f.ref != "" }

func (f *flakeFlags) check() error {
	if !f.given() && (f.apply != "" || f.raw || f.config) {
		return errors.New("--apply, --raw and --accept-flake-config need --flake")
	}
	return nil
}

// flakeReference is the kind of a reference to a flake and an output of it.
var flakeReference = flags.Kind[string]{
	Name: "flake reference",
	Want: "a flake and an output of it, such as .#web or github:NixOS/nixpkgs#hello",
	Parse: func(text string) (string, error) {
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }) || strings.TrimSpace(text) == "" || strings.HasPrefix(text, "-") {
			return "", flags.ErrRefused
		}
		if _, _, _, ok := flake.IsPath(text); ok {
			return text, nil // where it leads to is known when it is looked for
		}
		_, _, err := flake.ParseWithFragment(text, true)
		return text, err
	},
}

// inputOverride is the kind of an input and the reference to take for it.
var inputOverride = suggesting(suggestInputs, flags.NameValue("the path of an input and a flake reference, such as nixpkgs github:NixOS/nixpkgs/nixos-26.05", func(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if !flake.IsID(part) {
			return false
		}
	}
	return true
}))

// flakeNixVersion is the version of Nix whose flakes are imitated.
const flakeNixVersion = "2.34.8"

// settings are the Nix settings that a flake is evaluated with, under those of the command line.
func (f *flakeFlags) settings(impure bool, given []nixcmd.Setting) []nixcmd.Setting {
	pure := nixcmd.Setting{Name: "pure-eval", Value: "true"}
	if impure {
		pure.Value = "false"
	}
	return append([]nixcmd.Setting{pure, {Name: "extra-experimental-features", Value: "nix-command flakes"}}, given...)
}

// run evaluates the output and prints it.
func (f *flakeFlags) run(ctx context.Context, std streams, args []string, o *evalOptions) error {
	if len(args) > 0 {
		return errWhatToEvaluate
	}
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the current directory: %v", err)
	}
	ref, fragment, err := fetch.Locate(f.ref, dir)
	if err != nil {
		return err
	}
	defer holdCollector().release()
	text, err := f.evaluate(ctx, std, ref, fragment, dir, o)
	if err != nil {
		return reportEvaluation(std, err, o.how.trace)
	}
	if f.raw {
		_, err = io.WriteString(std.doc, text)
		return err
	}
	fmt.Fprintln(std.doc, text)
	return nil
}

// evaluate evaluates the output and returns what to print.
func (f *flakeFlags) evaluate(ctx context.Context, std streams, ref flake.Ref, fragment, dir string, o *evalOptions) (string, error) {
	overrides, err := o.how.overridden()
	if err != nil {
		return "", err
	}
	ev, system, done, err := f.evaluator(ctx, std, ref, o)
	if err != nil {
		return "", err
	}
	defer done()
	value, err := ev.Flake(ctx, ref, overrides)
	if err != nil {
		return "", err
	}
	v, err := value.Output(ctx, ref.String(), eval.OutputPaths(fragment, system))
	if err != nil {
		return "", err
	}
	if f.apply != "" {
		function, err := ev.Expr(ctx, f.apply, dir)
		if err != nil {
			return "", err
		}
		if v, err = function.Apply(ctx, v); err != nil {
			return "", err
		}
	}
	switch {
	case o.raw.instantiate:
		return v.Drv(ctx)
	case o.json:
		return v.PlainJSON(ctx)
	case f.raw:
		return v.Raw(ctx)
	}
	return v.Show(ctx)
}

// evaluator makes the evaluator of a flake: with its nixConfig, if that is accepted.
func (f *flakeFlags) evaluator(ctx context.Context, std streams, ref flake.Ref, o *evalOptions) (ev *eval.Evaluator, system string, done func(), err error) {
	nix, _ := wireNix() // nil if Nix is not installed
	o.how.searchPath = o.raw.searchPath
	open := func(more []nixcmd.Setting) error {
		environment, err := o.how.environment(nix, f.settings(o.how.impure, append(more, o.raw.settings...)), std.err)
		if err != nil {
			return err
		}
		environment.NixVersion = flakeNixVersion
		system = environment.Settings.System
		ev, done = environment.Evaluator(evaluate.Options{Trace: std.err, MaxTime: o.how.maxTime})
		f.config = f.config || environment.Settings.AcceptFlakeConfig
		return nil
	}
	if err := open(nil); err != nil {
		return nil, "", nil, err
	}
	config, err := ev.FlakeConfig(ctx, ref)
	if err != nil || len(config) == 0 {
		return ev, system, done, err
	}
	if !f.config {
		fmt.Fprintf(std.err, "warning: the flake's nixConfig is ignored, which sets %s; --accept-flake-config obeys it\n", settingNames(config))
		return ev, system, done, nil
	}
	done()
	var settings []nixcmd.Setting
	for _, s := range config {
		settings = append(settings, nixcmd.Setting{Name: s.Name, Value: s.Value})
	}
	return ev, system, done, open(settings)
}

func settingNames(settings []eval.FlakeSetting) string {
	var list []string
	for _, s := range settings {
		list = append(list, s.Name)
	}
	return strings.Join(list, ", ")
}

// newFetcher makes what fetches sources and inputs, with Nix's settings about it.
func newFetcher(s nixcmd.Settings, home string, warn func(string)) (*fetch.Fetcher, error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, nil // nothing can be fetched
	}
	files := []string{"/etc/nix/registry.json"}
	if config, err := os.UserConfigDir(); err == nil {
		files = append([]string{filepath.Join(config, "nix", "registry.json")}, files...)
	}
	f := &fetch.Fetcher{
		Dir:      filepath.Join(cache, "muster", "fetch"),
		Registry: flake.Global(),
		Tokens:   s.AccessTokens,
		Netrc:    s.NetrcFile,
		TTL:      s.TarballTTL,
		Warn:     warn,
	}
	if f.Netrc == "" {
		f.Netrc = "/etc/nix/netrc"
		if own := filepath.Join(home, ".netrc"); home != "" && !isFile(f.Netrc) {
			f.Netrc = own
		}
	}
	if filepath.IsAbs(s.FlakeRegistry) {
		if f.Registry, err = fetch.ReadRegistries(s.FlakeRegistry); err != nil {
			return nil, err
		}
	}
	f.Own, err = fetch.ReadRegistries(files...)
	return f, err
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}
