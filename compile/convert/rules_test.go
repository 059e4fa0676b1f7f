package convert

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/eval"
)

var (
	tools  = flag.String("tools", "", "a `directory` with checkouts of colmena, morph, nixops, deploy-rs and nixinate, whose options are to be those of testdata/options.json")
	update = flag.Bool("update", false, "with -tools: rewrite testdata/options.json")
)

// optionNames are the names of all options of deployers, as testdata/options.json has them.
func optionNames(t *testing.T) map[string][]string {
	text, err := os.ReadFile("testdata/options.json")
	if err != nil {
		t.Fatal(err)
	}
	var names map[string][]string
	if err := json.Unmarshal(text, &names); err != nil {
		t.Fatal(err)
	}
	return names
}

// TestNoOptionIsSwallowed sets every option of every deployer, one at a time, to
// something that is not its default. It becomes part of the inventory, or is listed by
// its name, or has a rule that says why nothing is lost.
func TestNoOptionIsSwallowed(t *testing.T) {
	for deployer, names := range optionNames(t) {
		kind := Kind(strings.TrimSuffix(deployer, " meta"))
		for _, name := range names {
			t.Run(deployer+"/"+name, func(t *testing.T) {
				if strings.HasSuffix(deployer, " meta") {
					checkAbout(t, kind, name)
				} else {
					checkOption(t, kind, name)
				}
			})
		}
	}
}

func checkOption(t *testing.T, kind Kind, name string) {
	setting, _, part := strings.Cut(name, ".*")
	if s, rest, ok := strings.Cut(setting, "Checks."); ok {
		setting, part = s+"Checks", true
		name = setting + "." + rest + strings.TrimPrefix(name, s+"Checks."+rest)
	}
	rule, known := rulesOf(kind)[setting]
	if !known {
		t.Fatalf("no rule for %s", setting)
	}
	if rule.Always {
		if rule.Instead == "" {
			t.Errorf("%s is kept, and nothing says how", setting)
		}
		return
	}
	before, after := without(setting), sampleOf(t, name)
	plain, _ := converted(t, kind, setting, before, nil)
	text, notes := converted(t, kind, setting, after, nil)
	if text != plain {
		return
	}
	for _, n := range notes {
		if n.Setting == setting && n.Text != "" {
			return
		}
	}
	if reason := nothingLost[name]; reason == "" || !part {
		t.Errorf("%s is neither in the inventory nor listed:\n%s", name, text)
	}
}

// nothingLost says of parts of options why nothing is lost without them.
var nothingLost = map[string]string{
	"deployment.secrets.*.mkDirs": "muster makes the directories of a secret's path",
	"deployment.keys.*.name":      "path has it",
	"deployment.keys.*.destDir":   "path has it",
}

func checkAbout(t *testing.T, kind Kind, name string) {
	rule, known := AboutRules[name]
	if !known {
		t.Fatalf("no rule for %s", name)
	}
	if rule.Always {
		return
	}
	value := map[string]any{"allowApplyAll": false, "description": "other", "machinesFile": "testdata/options.json"}[name]
	raw, _ := json.Marshal(value)
	about := []Setting{{Name: name, Set: true, Value: raw}}
	plain, _ := converted(t, kind, "", "", nil)
	text, notes := converted(t, kind, "", "", about)
	if text == plain && !slices.ContainsFunc(notes, func(n Note) bool { return n.Setting == name }) {
		t.Errorf("%s is neither in the inventory nor listed:\n%s", name, text)
	}
}

// converted converts a fleet of one host with one setting.
func converted(t *testing.T, kind Kind, name, value string, about []Setting) (text string, notes []Note) {
	node := Node{Name: "web", Addresses: []string{"192.0.2.1"}, Attr: []string{"nixosConfigurations", "web"}}
	if name != "" && value != "" {
		node.Settings = []Setting{{Name: name, Set: true, Value: json.RawMessage(value)}}
	}
	c := New(&Source{Kind: kind, Dir: "/fleet", Here: "."}, &Facts{Hosts: []Node{node}, About: about})
	notes = c.Notes
	c.Notes = nil
	out, err := c.Inventory(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(out), notes
}

// samples are values of options that are not their defaults, as JSON.
var samples = map[string]string{
	"deployment.targetHost":                 `"192.0.2.7"`,
	"deployment.targetPort":                 `2222`,
	"deployment.targetUser":                 `"ops"`,
	"deployment.tags":                       `["web"]`,
	"deployment.privilegeEscalationCommand": `["doas"]`,
	"deployment.sshOptions":                 `["-A"]`,
	"deployment.allowLocalDeployment":       `true`,
	"deployment.buildOnTarget":              `true`,
	"deployment.replaceUnknownProfiles":     `false`,
	"deployment.buildOnly":                  `true`,
	"deployment.substituteOnDestination":    `true`,
	"deployment.targetEnv":                  `"ec2"`,
	"deployment.alwaysActivate":             `true`,
	"deployment.owners":                     `["ops@example.org"]`,
	"deployment.hasFastConnection":          `false`,
	"hostname":                              `"192.0.2.7"`,
	"sshUser":                               `"ops"`,
	"user":                                  `"joe"`,
	"sudo":                                  `"doas -u"`,
	"interactiveSudo":                       `true`,
	"sshOpts":                               `["-p", "2222"]`,
	"fastConnection":                        `true`,
	"remoteBuild":                           `true`,
	"magicRollback":                         `false`,
	"autoRollback":                          `false`,
	"confirmTimeout":                        `60`,
	"activationTimeout":                     `600`,
	"profiles":                              `{"name": "home", "others": []}`,
	"profilesOrder":                         `["a", "system"]`,
	"profilePath":                           `"/nix/var/nix/profiles/other"`,
	"nixinate.host":                         `"192.0.2.7"`,
	"nixinate.sshUser":                      `"ops"`,
	"nixinate.buildOn":                      `"remote"`,
	"nixinate.substituteOnTarget":           `true`,
	"nixinate.nixOptions":                   `["--impure"]`,
}

// without is the value of a setting that sampleOf changes a part of.
func without(setting string) string {
	switch {
	case strings.HasSuffix(setting, ".keys"):
		return `{"k": {"name": "k", "keyCommand": ["cat"], "path": "/run/keys/k", "permissions": "0600", "user": "root", "group": "root"}}`
	case strings.HasSuffix(setting, ".secrets"):
		return `{"k": {"source": "/etc/hostname", "destination": "/run/k", "permissions": "0400"}}`
	case strings.HasSuffix(setting, "Checks"):
		return `{"cmd": [{"cmd": ["true"], "period": 2, "timeout": 5}], "http": [{"scheme": "https", "port": 80, "path": "/", "period": 2, "timeout": 5}]}`
	}
	return ""
}

// sampleOf is a value of an option, or of one with a part of it changed.
func sampleOf(t *testing.T, name string) string {
	if sample, ok := samples[name]; ok {
		return sample
	}
	part := map[string]string{
		"text": `"hunter2"`, "keyCommand": `["pass"]`, "keyFile": `"/etc/hostname"`, "path": `"/run/other"`, "user": `"nginx"`, "group": `"nginx"`,
		"permissions": `"0440"`, "uploadAt": `"post-activation"`, "name": `"other"`, "destDir": `"/var/keys"`,
		"source": `"/etc/passwd"`, "destination": `"/run/other"`, "action": `["systemctl", "restart", "x"]`, "mkDirs": `false`,
		"cmd": `["false"]`, "description": `"other"`, "period": `9`, "timeout": `9`, "host": `"other"`, "scheme": `"http"`, "port": `81`, "headers": `{"Host": "x"}`, "insecureSSL": `true`,
	}
	words := strings.Split(name, ".")
	last := words[len(words)-1]
	value, ok := part[last]
	if !ok {
		t.Fatalf("no sample for %s", name)
	}
	var whole map[string]any
	setting, _, _ := strings.Cut(name, ".*")
	if s, _, ok := strings.Cut(setting, "Checks."); ok {
		setting = s + "Checks"
	}
	if err := json.Unmarshal([]byte(without(setting)), &whole); err != nil {
		t.Fatalf("no sample for %s: %v", name, err)
	}
	var changed any
	if err := json.Unmarshal([]byte(value), &changed); err != nil {
		t.Fatal(err)
	}
	for key, of := range whole {
		switch of := of.(type) {
		case map[string]any:
			change(of, words, last, changed)
		case []any:
			if strings.Contains(name, "Checks."+key+".") {
				of[0].(map[string]any)[last] = changed
			}
		}
	}
	text, _ := json.Marshal(whole)
	return string(text)
}

// change changes a part of a key or secret.
func change(of map[string]any, words []string, last string, value any) {
	switch {
	case words[len(words)-2] == "owner":
		of["owner"] = map[string]any{last: value}
	case last == "text" || last == "keyFile" || last == "keyCommand":
		delete(of, "keyCommand")
		of[last] = value
	case last == "name":
		of["path"] = fmt.Sprintf("/run/keys/%s", value)
	case last == "destDir":
		of["path"] = fmt.Sprintf("%s/k", value)
	default:
		of[last] = value
	}
}

// TestOptionsAreThoseOfTheDeployers reads the options from the deployers' own sources.
func TestOptionsAreThoseOfTheDeployers(t *testing.T) {
	if *tools == "" {
		t.Skip("needs -tools")
	}
	got := map[string][]string{
		"colmena":      optionsIn(t, "(import "+*tools+"/colmena/src/nix/hive/options.nix).deploymentOptions", false),
		"colmena meta": optionsIn(t, "(import "+*tools+"/colmena/src/nix/hive/options.nix).metaOptions", true),
		"morph":        optionsIn(t, *tools+"/morph/data/options.nix", false),
		"nixops":       optionsIn(t, *tools+"/nixops/nix/options.nix "+*tools+"/nixops/nix/resource.nix", false),
		"deploy-rs":    deployRSOptions(t),
		"nixinate":     matchesIn(t, "nixinate/flake.nix", `\bn\.([A-Za-z]+)`, "nixinate."),
	}
	if *update {
		text, _ := json.MarshalIndent(got, "", "  ")
		if err := os.WriteFile("testdata/options.json", append(text, '\n'), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(optionNames(t), got); d != "" {
		t.Errorf("options (-testdata/options.json +sources):\n%s", d)
	}
}

// optionsIn are the names of the options of modules, evaluated over minios.
func optionsIn(t *testing.T, modules string, all bool) []string {
	minios, err := filepath.Abs("../../examples/minios")
	if err != nil {
		t.Fatal(err)
	}
	expr := fmt.Sprintf("import ./testdata/options.nix { lib = import %s/lib; modules = [ %s ]; all = %t; }", minios, modules, all)
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	v, err := eval.New(eval.Options{}).Expr(context.Background(), expr, dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := v.Raw(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	if err := json.Unmarshal([]byte(text), &names); err != nil {
		t.Fatal(err)
	}
	return names
}

// deployRSOptions are what deploy-rs reads, by its schema and by its program.
func deployRSOptions(t *testing.T) []string {
	var schema struct {
		Definitions map[string]struct{ Properties map[string]any }
	}
	text, err := os.ReadFile(filepath.Join(*tools, "deploy-rs/interface.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	names := matchesIn(t, "deploy-rs/src/data.rs", `rename\(deserialize = "([A-Za-z]+)"\)`, "")
	names = append(names, matchesIn(t, "deploy-rs/src/data.rs", `pub ([a-z]+): `, "")...)
	for _, d := range schema.Definitions {
		for name := range d.Properties {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return slices.DeleteFunc(names, func(n string) bool { return n == "nodes" })
}

// matchesIn are the texts that a pattern finds in a file, each once, sorted.
func matchesIn(t *testing.T, file, pattern, prefix string) []string {
	text, err := os.ReadFile(filepath.Join(*tools, file))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
		names = append(names, prefix+m[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// TestNamesStayApart converts hosts whose names muster does not take, and empty keys.
func TestNamesStayApart(t *testing.T) {
	keys := []Setting{{Name: "deployment.keys", Set: true, Value: json.RawMessage(`{"k": {"text": "", "path": "/k", "permissions": "0400"}}`)}}
	c := New(&Source{Kind: Colmena, Dir: "/fleet", Files: []string{"/fleet/hive.nix"}}, &Facts{Hosts: []Node{{Name: "a-b"}, {Name: "a+b"}, {Name: "a.b", Settings: keys}, {Name: "a_b"}, {Name: "_"}}})
	var names []string
	for _, h := range c.Hosts {
		names = append(names, h.Name)
	}
	if d := cmp.Diff([]string{"a-b", "a-b-2", "a.b", "a_b", "host-2"}, names); d != "" {
		t.Errorf("names (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]Text{{Hosts: []string{"a.b"}, Secret: "k", File: "./secrets/k.age"}}, c.Texts); d != "" {
		t.Errorf("texts (-want +got):\n%s", d)
	}
}
