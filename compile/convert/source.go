// Package convert turns a fleet of another deployer into an inventory that means the
// same. It reads the evaluated systems, never the text of the source:
//
//	Source.Detect ─▶ Source.Facts (Nix, evaluated by the caller) ─▶ Read ─▶ Conversion
//
// The modules of the source stay where they are. Hosts of a flake are its outputs.
// Other sources are evaluated by a Nix file that is written beside the inventory,
// which does what the other deployer does; see colmena.nix, morph.nix and nixops.nix.
package convert

import (
	_ "embed"
	"fmt"
	"path/filepath"
	"strings"

	"muster/compile/syntax"
)

// A Kind is the deployer that a source is for.
type Kind string

// The kinds.
const (
	Colmena   Kind = "colmena"
	Flake     Kind = "flake" // nixosConfigurations and no deployer
	DeployRS  Kind = "deploy-rs"
	Morph     Kind = "morph"
	NixOps    Kind = "nixops"
	Nixinate  Kind = "nixinate"
	Lollypops Kind = "lollypops"
	Clan      Kind = "clan"
)

// String is a source of the kind, in words.
func (k Kind) String() string {
	switch k {
	case Colmena:
		return "a colmena hive"
	case Flake:
		return "a flake"
	case Morph:
		return "a morph network"
	case NixOps:
		return "a NixOps network"
	case Clan:
		return "a clan"
	}
	return "a flake with " + string(k)
}

// Kinds are all kinds.
var Kinds = []Kind{Colmena, Flake, DeployRS, Morph, NixOps, Nixinate, Lollypops, Clan}

// A Source is the fleet of another deployer: a flake, or Nix files.
type Source struct {
	Kind Kind
	// Dir is the absolute path of the inventory's directory.
	Dir string
	// Files are absolute paths; several for NixOps.
	Files []string
	// Args is a Nix set of arguments for files that are functions; "" for none.
	Args string
	// Flake is the reference of a flake, and Here what the inventory calls it, such as
	// ".". Output is the name of the output with the fleet.
	Flake, Here string
	Output      string
}

// NodesFile is the name of the Nix file that evaluates the source, where one is needed.
const NodesFile = "muster-nodes.nix"

// Header begins NodesFile and the inventory.
const Header = "Written by muster convert"

var (
	//go:embed colmena.nix
	colmenaNix string
	//go:embed morph.nix
	morphNix string
	//go:embed nixops.nix
	nixopsNix string
	//go:embed key.nix
	keyNix string
	//go:embed facts.nix
	factsNix string
	//go:embed detect.nix
	detectNix string
)

// Detect is a Nix expression for what the source is for: JSON with kind and output.
func (s *Source) Detect() string {
	if s.Flake != "" {
		return fmt.Sprintf("(%s) { flake = %s; }", detectNix, s.flake(nixString(s.Flake)))
	}
	return fmt.Sprintf("(%s) { files = [ %s ]; several = %t; }", detectNix, s.values(absolutePath), len(s.Files) > 1)
}

// Names is a Nix expression for the names of the source's hosts: JSON.
func (s *Source) Names() string {
	nodes := s.nodes(absolutePath)
	if s.Kind == DeployRS {
		nodes = "flake.deploy.nodes"
	}
	return fmt.Sprintf("let flake = %s; in builtins.toJSON (builtins.attrNames (%s))", s.orNull(), nodes)
}

// Facts is a Nix expression for what the source says of its hosts, or of those named:
// JSON for [Read].
func (s *Source) Facts(only ...string) string {
	chosen := "null"
	if len(only) > 0 {
		chosen = syntax.FormatExpr(syntax.StringList(only))
	}
	source, about := s.raw()
	attr := "null"
	if names := s.attr("name"); names != "" {
		attr = "[ " + names + " ]"
	}
	return fmt.Sprintf("let flake = %s; nodes = %s; source = %s; about = %s; attr = name: %s; in (%s) { kind = %s; inherit flake nodes source about attr; only = %s; }",
		s.orNull(), s.nodes(absolutePath), source, about, attr, factsNix, nixString(string(s.Kind)), chosen)
}

// raw is the source as it is written, whose attributes are the hosts, and what it says of
// the whole fleet.
func (s *Source) raw() (source, about string) {
	called := "builtins.foldl' (all: value: all // (if builtins.isFunction value then value { } else value)) { } [ %s ]"
	switch {
	case s.Output == "colmenaHive":
		return "{ }", "flake.colmenaHive.metaConfig or { }"
	case s.Kind == Colmena:
		return fmt.Sprintf(called, s.hive(absolutePath)), "source.meta or source.network or { }"
	case s.Kind == NixOps && s.Flake != "":
		return fmt.Sprintf(called, "flake.nixopsConfigurations.default"), aboutNetwork
	case s.Kind == NixOps || s.Kind == Morph:
		return fmt.Sprintf(called, s.values(absolutePath)), aboutNetwork
	}
	return "flake.nixosConfigurations or { }", "{ }"
}

const aboutNetwork = "source.network or { }"

// attr is the path of a system in the flake, as Nix strings; "" where it is in none.
func (s *Source) attr(name string) string {
	switch {
	case s.Kind == Colmena && s.Output == "colmenaHive":
		return `"colmenaHive" "nodes" ` + name
	case s.Flake != "" && s.Kind != Colmena && s.Kind != NixOps:
		return `"nixosConfigurations" ` + name
	}
	return ""
}

// Toplevels is a Nix expression for the derivations of systems of the source, which are
// given with where they are in a flake: JSON by the name of the host. Tool is the absolute path of the deployer's own evaluator, such
// as src/nix/hive/eval.nix of colmena; "" for the way of this package.
func (s *Source) Toplevels(tool string, attrs map[string][]string) (string, error) {
	nodes := s.nodes(absolutePath)
	if tool != "" {
		var err error
		if nodes, err = s.byTool(absolutePath(tool)); err != nil {
			return "", err
		}
	}
	if s.Kind == DeployRS {
		var b strings.Builder
		for name, attr := range attrs {
			fmt.Fprintf(&b, "%s = flake.%s; ", nixString(name), attrText(attr))
		}
		nodes = "{ " + b.String() + "}"
	}
	var names strings.Builder
	for name := range attrs {
		fmt.Fprintf(&names, "%s = null; ", nixString(name))
	}
	return fmt.Sprintf(`let flake = %s; nodes = %s; in builtins.toJSON (builtins.mapAttrs (_: node: builtins.unsafeDiscardStringContext node.config.system.build.toplevel.drvPath) (builtins.intersectAttrs { %s } nodes))`, s.orNull(), nodes, names.String()), nil
}

// byTool is the set of systems by the deployer's own evaluator. Units of keys are left
// out, in whose place secrets come.
func (s *Source) byTool(tool string) (string, error) {
	switch {
	case s.Kind == Colmena && s.Output != "colmenaHive":
		return fmt.Sprintf("(import %s { rawHive = %s; hermetic = false; colmenaModules = { assertionModule = { }; keyChownModule = { }; keyServiceModule = { }; }; }).nodes", tool, s.hive(absolutePath)), nil
	case s.Kind == Morph:
		return fmt.Sprintf("(import %s { network = %s; }).nodes", tool, s.values(absolutePath)), nil
	case s.Kind == NixOps && s.Flake == "":
		args := s.Args
		if args == "" {
			args = "{ }"
		}
		return fmt.Sprintf(`builtins.mapAttrs (_: node: node.extendModules { modules = [ ({ lib, ... }: { deployment.keys = lib.mkForce { }; }) ]; }) (import %s { networkExprs = [ %s ]; args = %s; uuid = ""; deploymentName = ""; pluginNixExprs = [ ]; }).nodes`, tool, s.paths(absolutePath), args), nil
	}
	return "", fmt.Errorf("%s is evaluated by the flake itself: there is no other evaluator to compare with", s.Kind)
}

// Nodes is the text of [NodesFile], or nil where hosts are outputs of a flake.
func (s *Source) Nodes() []byte {
	if s.Flake != "" && s.Kind != NixOps && (s.Kind != Colmena || s.Output == "colmenaHive") {
		return nil
	}
	ref := nixString(s.Flake)
	if strings.HasPrefix(s.Here, ".") {
		ref = "(toString " + s.relative(filepath.Join(s.Dir, s.Here)) + ")"
	}
	what := "the flake"
	if len(s.Files) > 0 {
		what = filepath.Base(s.Files[0])
	}
	return []byte(fmt.Sprintf("# %s: the hosts of %s as %s evaluates them.\nlet\n  flake = %s;\nin\n%s\n", Header, what, string(s.Kind), s.flakeOrNull(ref), s.nodes(s.relative)))
}

func (s *Source) orNull() string { return s.flakeOrNull(nixString(s.Flake)) }

func (s *Source) flakeOrNull(ref string) string {
	if s.Flake == "" {
		return "null"
	}
	return s.flake(ref)
}

func (s *Source) flake(ref string) string { return "builtins.getFlake " + ref }

// nodes is the set of systems, with files by path and the flake in scope as flake.
func (s *Source) nodes(path func(string) string) string {
	switch s.Kind {
	case Colmena:
		if s.Output == "colmenaHive" {
			return "flake.colmenaHive.nodes"
		}
		return fmt.Sprintf("(%s) { hive = %s; keyOptions = %s; }", strings.TrimSpace(colmenaNix), s.hive(path), strings.TrimSpace(keyNix))
	case Morph:
		return fmt.Sprintf("(%s) { network = %s; }", strings.TrimSpace(morphNix), s.values(path))
	case NixOps:
		if s.Flake != "" {
			return fmt.Sprintf("(%s) { files = [ flake.nixopsConfigurations.default ]; keyOptions = %s; inherit flake; }", strings.TrimSpace(nixopsNix), strings.TrimSpace(keyNix))
		}
		args := ""
		if s.Args != "" {
			args = " args = " + s.Args + ";"
		}
		return fmt.Sprintf("(%s) { files = [ %s ]; keyOptions = %s;%s }", strings.TrimSpace(nixopsNix), s.paths(path), strings.TrimSpace(keyNix), args)
	}
	return "flake.nixosConfigurations or { }"
}

func (s *Source) hive(path func(string) string) string {
	if s.Flake != "" {
		return "flake.colmena"
	}
	return s.values(path)
}

// paths are the files.
func (s *Source) paths(path func(string) string) string {
	var list []string
	for _, f := range s.Files {
		list = append(list, path(f))
	}
	return strings.Join(list, " ")
}

// values are the files' values, given the arguments.
func (s *Source) values(path func(string) string) string {
	var list []string
	for _, f := range s.Files {
		text := "(import " + path(f) + ")"
		if s.Args != "" {
			text = "(let value = import " + path(f) + "; in if builtins.isFunction value then value " + s.Args + " else value)"
		}
		list = append(list, text)
	}
	return strings.Join(list, " ")
}

// relative is a path from the inventory's directory.
func (s *Source) relative(name string) string {
	rel, err := filepath.Rel(s.Dir, name)
	switch {
	case err != nil:
		return absolutePath(name)
	case rel == ".":
		return "./."
	}
	return "(./. + " + nixString("/"+rel) + ")"
}

// absolutePath is a path of Nix.
func absolutePath(name string) string { return "(/. + " + nixString(name) + ")" }

// nixString is a string of Nix.
func nixString(text string) string {
	return syntax.FormatExpr(syntax.StringList([]string{text}).Elems[0])
}

// attrText is the path of an attribute in Nix.
func attrText(names []string) string {
	var list []string
	for _, n := range names {
		list = append(list, nixString(n))
	}
	return strings.Join(list, ".")
}
