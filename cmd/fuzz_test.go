package cmd

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// fuzzed are the readers of foreign text, and the fuzz targets of each as PACKAGE.TARGET.
var fuzzed = map[string][]string{
	"inventories in CUE, TOML, JSON and YAML": {"schema.FuzzLoadCUE", "schema.FuzzLoadTOML", "schema.FuzzLoadJSON", "schema.FuzzLoadYAML", "schema.FuzzPlain", "schema.FuzzShape"},
	"selectors":            {"schema.FuzzSelect"},
	"durations and rates":  {"schema.FuzzDuration", "schema.FuzzParseBytes", "cmd/flags.FuzzKinds"},
	"key revocation lists": {"exec/remote.FuzzRevocationList"},
	"ssh_config":           {"exec/remote/sshconfig.FuzzSettings", "exec/remote.FuzzRoute"},
	"known_hosts":          {"exec/remote.FuzzKnownHosts"},
	"private and public keys, certificates and pins": {"exec/remote.FuzzIdentity"},
	"what a login shell prints before a command":     {"exec/remote.FuzzMarker"},
	"words that a host's shell reads":                {"exec/remote.FuzzQuote"},
	"archives":                                       {"exec/archive.FuzzOpen", "exec/archive.FuzzManifest", "exec/archive.FuzzSums", "exec/archive.FuzzNarInfo", "exec/archive.FuzzPublicKey"},
	"releases, reports, and what agents keep":        {"exec/release.FuzzOpen", "exec/pull.FuzzMemory", "exec/objectstore.FuzzURL", "exec/objectstore.FuzzAnswer"},
	"signatures of SSH":                              {"exec/sshsig.FuzzVerify"},
	"nar":                                            {"compile/store.FuzzNARReader"},
	"journals":                                       {"exec.FuzzReadJournal", "exec.FuzzDecodeEvent", "exec/strictjson.FuzzDecode"},
	"plans":                                          {"exec.FuzzReadPlan", "exec/strictjson.FuzzDecode"},
	"what a machine says it is made of":              {"exec/host.FuzzHardware", "exec/adopt.FuzzAdopt"},
	"a host's answers and its guard's":               {"exec/host.FuzzAnswers"},
	"units, fstab and what systemd says":             {"exec/units.FuzzSwitch", "exec/units.FuzzParseLoaded", "exec/units.FuzzReadDry"},
	"nix-store --serve":                              {"exec/nixserve.FuzzSession", "exec/nixserve.FuzzReply", "compile/store.FuzzWireStrings"},
	"nix.conf and $NIX_PATH":                         {"exec/nixcmd.FuzzNixConf", "exec/nixcmd.FuzzNixPath"},
	"build logs":                                     {"exec/nixcmd.FuzzBuildLog"},
	"derivations":                                    {"compile/store.FuzzParseDerivation"},
	"store paths, hashes, content addresses, versions": {"compile/store.FuzzParsePath", "compile/store.FuzzParseHash", "compile/store.FuzzBase32", "compile/store.FuzzParseCA", "compile/store.FuzzVersion"},
	"what a source of another deployer says":           {"compile/convert.FuzzFacts"},
	"Nix":                                              {"compile/syntax.FuzzParsePrint", "compile/syntax.FuzzPrintParse", "compile/eval.FuzzEvaluate"},
	"fromJSON and fromTOML":                            {"compile/eval.FuzzFromJSON", "compile/eval.FuzzFromTOML"},
	"regular expressions":                              {"compile/eval/ere.FuzzMatch"},
	"flake references, locks and registries":           {"compile/flake.FuzzParse", "compile/flake.FuzzParseLock", "compile/flake.FuzzParseRegistry"},
	"archives of sources, netrc":                       {"compile/flake/fetch.FuzzUnpack", "compile/flake/fetch.FuzzNetrc"},
	"the evaluation cache":                             {"exec/evaluate.FuzzCache"},
	"machines that OpenTofu made, and their consoles":  {"exec/provision.FuzzParseMachine", "exec/provision.FuzzConsoleKeys"},
	"secrets": {"exec/secret.FuzzPick", "exec/secret.FuzzIdentities"},
	"kubeconfigs, and what the API of a cluster answers": {"exec/kube.FuzzMerge", "exec/kube.FuzzRefused"},
	"text for the terminal":                              {"exec/human.FuzzPlain"},
}

// parsesNothing are packages that open foreign files and leave their text to others, with the reason.
var parsesNothing = map[string]string{
	"cmd":     "hands it to the packages below, or takes a line as it is",
	"cmd/ui":  "shows lines of an inventory",
	"compile": "looks for a word in a module",
}

// Every fuzz target is in the table and every target of the table is there. A package that opens foreign files has one.
func TestForeignTextIsFuzzed(t *testing.T) {
	target := regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)
	targets := map[string]bool{}
	opens := map[string]bool{}
	for _, path := range repositoryFiles(t) {
		if filepath.Ext(path) != ".go" {
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(path, "_test.go") {
			opens[filepath.Dir(path)] = opens[filepath.Dir(path)] || strings.Contains(string(text), `"muster/exec/foreign"`)
			continue
		}
		for _, m := range target.FindAllStringSubmatch(string(text), -1) {
			targets[filepath.Dir(path)+"."+m[1]] = true
		}
	}
	listed := map[string]bool{}
	packages := map[string]bool{}
	for what, names := range fuzzed {
		for _, name := range names {
			listed[name] = true
			packages[name[:strings.LastIndexByte(name, '.')]] = true
			if !targets[name] {
				t.Errorf("%s: there is no fuzz target %s", what, name)
			}
		}
	}
	for name := range targets {
		if !listed[name] {
			t.Errorf("%s is in no row of the table", name)
		}
	}
	for pkg, does := range opens {
		if does && !packages[pkg] && parsesNothing[pkg] == "" {
			t.Errorf("%s opens foreign files and has no fuzz target", pkg)
		}
	}
}
