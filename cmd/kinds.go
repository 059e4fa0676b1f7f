package cmd

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"muster/cmd/flags"
	"muster/compile/store"
	"muster/compile/syntax"
	"muster/exec/archive"
	"muster/exec/foreign"
	"muster/exec/nixcmd"
	"muster/exec/ondemand"
	"muster/schema"
)

// The kinds of values that are about fleets and Nix. Package flags has the rest.

// matching is the kind of a text that fits a pattern.
func matching(name, want, pattern string) flags.Kind[string] {
	whole := ondemand.Regexp(`^(` + pattern + `)$`)
	return flags.Kind[string]{Name: name, Want: want, Parse: func(text string) (string, error) {
		if !whole().MatchString(text) {
			return "", flags.ErrRefused
		}
		return text, nil
	}}
}

// suggesting adds what the shell completes to a kind.
func suggesting[T any](suggest func(args []string, word string) []string, kind flags.Kind[T]) flags.Kind[T] {
	kind.Suggest = suggest
	return kind
}

// selector is the kind of an expression that chooses hosts. Whether there are
// such hosts is known when the inventory is read.
var selector = flags.Kind[string]{
	Name:    "selector",
	Suggest: suggestSelectors,
	Want:    `names, globs, {a,b}, @tag, +role, !not, localhost, "," for union and "&" for intersection; or - for names from standard input`,
	Parse: func(text string) (string, error) {
		if text == fromInput {
			return text, nil
		}
		return text, schema.CheckSelector(text)
	},
}

// attributePath is the kind of a path such as a.b."c.d".0, as nix-instantiate
// takes it.
var attributePath = suggesting(suggestOptions, matching("attribute path", "names with dots between them, such as config.time.timeZone",
	`("[^"]+"|[A-Za-z0-9_'-]+)(\.("[^"]+"|[A-Za-z0-9_'-]+))*`))

// attrNames splits config.fileSystems."/".device into its names, by Nix's own
// rules: the options of a host have no numbers in their paths.
func attrNames(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	names, ok := splitAttribute(path)
	if !ok {
		return nil, usageError{fmt.Errorf("--attr %s: want %s", path, attributePath.Want)}
	}
	return names, nil
}

// splitAttribute splits an attribute path into its names, if it is one.
func splitAttribute(path string) (names []string, ok bool) {
	e, err := syntax.ParseExpr("x." + path)
	sel, ok := e.(*syntax.Select)
	if err != nil || !ok || sel.Default != nil {
		return nil, false
	}
	for _, n := range sel.Path {
		if n.Expr != nil || strings.TrimSpace(n.Name) == "" {
			return nil, false
		}
		names = append(names, n.Name)
	}
	return names, true
}

// storePath is the kind of the path of a store object.
var storePath = flags.Kind[store.Path]{
	Name:  "store path",
	Want:  "/nix/store/<digest>-<name>",
	Parse: func(text string) (store.Path, error) { return parsed(store.ParsePath(text)) },
}

// secretKey is the kind of a file that holds a secret key. Nobody else may be
// able to write to it.
var secretKey = flags.Kind[*archive.SecretKey]{
	Name:  "secret key file",
	Want:  "a file of nix-store --generate-binary-cache-key",
	Names: flags.AnyFile,
	Parse: func(name string) (*archive.SecretKey, error) {
		text, err := foreign.ReadFile(name, foreign.Limits{Size: 4096, Trusted: true, Links: true})
		if err != nil {
			return nil, err
		}
		return archive.ParseSecretKey(text)
	},
}

// publicKey is the kind of a key that signatures are checked with.
var publicKey = flags.Kind[archive.PublicKey]{
	Name:  "public key",
	Want:  "NAME:BASE64, as Nix's setting trusted-public-keys has it",
	Parse: func(text string) (archive.PublicKey, error) { return parsed(archive.ParsePublicKey(text)) },
}

// storeURL is the kind of the URL of a store.
var storeURL = flags.Kind[string]{
	Name: "store URL",
	Want: "the URL of a store, such as s3://bucket, file:///srv/cache or ssh://user@host",
	Parse: func(text string) (string, error) {
		_, err := parsed("", nixcmd.CheckURL(text))
		return text, err
	},
}

// byteCount is the kind of a number of bytes.
var byteCount = flags.Kind[int64]{
	Name:  "bytes",
	Want:  "a number of bytes such as 800, 500k or 10M",
	Parse: func(text string) (int64, error) { return parsed(schema.ParseBytes(text)) },
}

// parsed hands on what a parser returns, whose error says no more than the
// kind does.
func parsed[T any](value T, err error) (T, error) {
	if err != nil {
		err = flags.ErrRefused
	}
	return value, err
}

// buildMachines is the kind of a list of machines that build, as Nix's setting
// builders has them.
var buildMachines = flags.Kind[[]string]{
	Name:  "build machines",
	Want:  `as for Nix, such as "ssh://builder x86_64-linux; ssh://other", or "" for none`,
	Empty: true,
	Parse: func(text string) ([]string, error) {
		machines := strings.Split(text, ";")
		for _, m := range machines {
			if strings.TrimSpace(m) != "" && schema.CheckBuilder(m) != nil {
				return nil, flags.ErrRefused
			}
		}
		return machines, nil
	},
}

// sshConfig is the kind of an SSH configuration file, or none.
func sshConfig() flags.Kind[string] {
	kind := flags.Existing()
	exists := kind.Parse
	kind.Want += ", or none"
	kind.Parse = func(text string) (string, error) {
		if text == "none" {
			return text, nil
		}
		return exists(text)
	}
	return kind
}

// orStandardOutput extends a kind of files by -, which is standard output.
func orStandardOutput(kind flags.Kind[string]) flags.Kind[string] {
	named := kind.Parse
	kind.Want += ", or - for standard output"
	kind.Parse = func(text string) (string, error) {
		if text == "-" {
			return text, nil
		}
		return named(text)
	}
	return kind
}

// archiveName is the kind of the name of an archive to write: a file, or a
// directory where it is one or ends in a slash.
func archiveName() flags.Kind[string] {
	file, directory := flags.NewFile(), flags.NewDirectory()
	file.Want = "a file in a directory that exists, or a directory that exists or whose name ends in /"
	asFile := file.Parse
	file.Parse = func(text string) (string, error) {
		info, err := os.Stat(text)
		if strings.HasSuffix(text, "/") || err == nil && info.IsDir() {
			return directory.Parse(text)
		}
		return asFile(text)
	}
	return file
}

// runName is the kind of the name of a run, as it was reported.
var runName = suggesting(suggestRuns, matching("run", "the name of a run, such as 20260102-150405-abcd", `[0-9A-Za-z-]+`))

// hostName is the kind of the name of a host.
var hostName = suggesting(suggestHosts, matching("host name", "the name of a host: letters, digits and hyphens", `[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?`))

// imageKind is the kind of the kind of an image.
var imageKind = matching("image kind", "the name of an image, such as iso, vm or sd", `[A-Za-z][A-Za-z0-9_-]{0,62}`)

// profileName is the kind of the name of a profile.
var profileName = matching("profile name", "the name of a profile: letters, digits, - and _", `[A-Za-z0-9][A-Za-z0-9_-]{0,62}`)

// nixArgument is the kind of an argument of a Nix function, its value being what
// value says.
func nixArgument(value string) flags.Kind[flags.Pair] {
	return flags.NameValue("a name and "+value, regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_'-]*$`).MatchString)
}

// nixSetting is the kind of a setting of Nix.
var nixSetting = flags.Kind[nixcmd.Setting]{
	Name: "Nix setting",
	Want: "the name of a Nix setting and its value, such as pure-eval true",
	Parse: func(text string) (nixcmd.Setting, error) {
		name, value, ok := strings.Cut(text, "=")
		if !ok || !settingName().MatchString(name) {
			return nixcmd.Setting{}, flags.ErrRefused
		}
		return nixcmd.Setting{Name: name, Value: value}, nil
	},
}

var settingName = ondemand.Regexp(`^[a-z][a-z0-9-]*$`)

// searchPathEntry is the kind of a place where <name> is looked for.
var searchPathEntry = flags.Text("a path, or NAME=PATH", "as Nix does, muster looks for it when it is needed and passes over what is not there")

// nixExpression is the kind of a Nix expression.
var nixExpression = func() flags.Kind[string] {
	kind := flags.Text("a Nix expression", "the evaluator reports what is wrong in it, as nix-instantiate does")
	kind.Lines = true
	return kind
}()
