package compile

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/compile/syntax"
	"muster/schema"
)

var seed = flag.Uint64("seed", 0, "make the random values of this seed; 0 takes another each time")

// canary is Nix code that fails any evaluation that executes it.
const canary = `${throw "an inventory's string became code"}`

// nasty are the pieces of random strings and names: all that has a meaning in Nix.
var nasty = []string{
	canary, `"`, `''`, `'''`, `''$`, `''${`, `''\`, `$`, `$$`, `${`, `$${`, `\`, `\\`, `\${`, `\n`, `{`, `}`, `;`, `=`, `.`, `,`,
	`"; } + throw "out"; x = "`, `''; } + throw "out"; x = ''`, `*/ throw "out" /*`, `# `, "/*", "//", "://", "~/", "<nixpkgs>", "@", ":",
	"\n", "\r", "\r\n", "\t", " ", "  ", "\n  ", "\n\n", "\n\t", "\x01", "\x1b[31m", "\x7f", "\u0085", "\u00a0", "\u2028", "\ufeff", "é", "日本", "🐟",
	"a", "b", "Z", "_", "-", "'", "0", "1", "9", "1.5", "1e3", "-", "+", "/", "./x", "../y", "/etc/passwd",
	"if", "then", "else", "assert", "with", "let", "in", "rec", "inherit", "or", "null", "true", "false", "builtins", "__curPos", "import",
}

// A source of random values.
type source struct{ *rand.Rand }

func (r source) text() string {
	if r.IntN(20) == 0 {
		return strings.Repeat(nasty[r.IntN(len(nasty))], r.IntN(200))
	}
	var b strings.Builder
	for range r.IntN(8) {
		if r.IntN(6) == 0 {
			for {
				if c := rune(1 + r.IntN(0x10ffff)); c < 0xd800 || c > 0xdfff {
					b.WriteRune(c)
					break
				}
			}
		} else {
			b.WriteString(nasty[r.IntN(len(nasty))])
		}
	}
	return b.String()
}

// name returns the name of an attribute, except the two that turn a set into a
// string in JSON.
func (r source) name() string {
	for {
		if s := r.text(); s != "outPath" && s != "__toString" {
			return s
		}
	}
}

func (r source) integer() int64 {
	switch r.IntN(4) {
	case 0:
		return [...]int64{0, 1, -1, math.MaxInt64, math.MinInt64, math.MinInt64 + 1}[r.IntN(6)]
	case 1:
		return int64(r.Uint64())
	}
	return r.Int64N(2000) - 1000
}

func (r source) float() float64 {
	switch r.IntN(4) {
	case 0:
		return [...]float64{0, 1, -1, 1e3, 1e21, -1e-7, math.MaxFloat64, -math.MaxFloat64, 0x1p-1022, 0x1p-1040, 5e-324, -5e-324, 0.1}[r.IntN(13)]
	case 1:
		for {
			if f := math.Float64frombits(r.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
				return f
			}
		}
	}
	return math.Round(r.Float64()*1e6) / 1e3
}

// value returns a value and what Nix should evaluate it to, as JSON in Go.
func (r source) value(depth int) (schema.Value, any) {
	kinds := 10
	if depth == 0 {
		kinds = 7
	}
	switch r.IntN(kinds) {
	case 0:
		return schema.Null{}, nil
	case 1:
		b := r.IntN(2) == 0
		return schema.Bool{V: b}, b
	case 2:
		n := r.integer()
		return schema.Int{V: n}, n
	case 3:
		f := r.float()
		return schema.Float{V: f}, f
	case 4:
		// The rest of a template is text as any other.
		s := r.text()
		return schema.Template{Text: strings.ReplaceAll(s, "${", "$${")}, s
	case 5, 6:
		s := r.text()
		return schema.String{V: s}, s
	case 7:
		list, want := schema.List{}, []any{}
		for range r.IntN(4) {
			v, w := r.value(depth - 1)
			list.Elems, want = append(list.Elems, v), append(want, w)
		}
		return list, want
	case 8:
		return r.attrs(r.IntN(4), depth-1)
	}
	return r.mark(depth - 1)
}

func (r source) attrs(n, depth int) (*schema.Attrs, map[string]any) {
	set, want := &schema.Attrs{}, map[string]any{}
	for range n {
		name := r.name()
		if _, taken := want[name]; taken {
			continue
		}
		v, w := r.value(depth)
		set.Fields = append(set.Fields, schema.Field{Name: name, Value: v})
		want[name] = w
	}
	return set, want
}

// mark returns what the test's lib evaluates a property to: [ "mkForce" value ].
func (r source) mark(depth int) (schema.Value, any) {
	v, w := r.value(depth)
	one := func(kind schema.MarkKind, name string) (schema.Value, any) {
		return schema.Mark{Kind: kind, Values: []schema.Value{v}}, []any{name, w}
	}
	switch r.IntN(8) {
	case 0:
		return one(schema.Force, "mkForce")
	case 1:
		return one(schema.Default, "mkDefault")
	case 2:
		return one(schema.Before, "mkBefore")
	case 3:
		return one(schema.After, "mkAfter")
	case 4:
		n := int(int32(r.Uint32()))
		return schema.Mark{Kind: schema.Override, Priority: n, Values: []schema.Value{v}}, []any{"mkOverride", int64(n), w}
	case 5:
		n := int(int32(r.Uint32()))
		return schema.Mark{Kind: schema.Order, Priority: n, Values: []schema.Value{v}}, []any{"mkOrder", int64(n), w}
	case 6:
		return schema.Mark{Kind: schema.If, Cond: "1 == 2", Values: []schema.Value{v}}, []any{"mkIf", false, w}
	}
	v2, w2 := r.value(depth)
	return schema.Mark{Kind: schema.Merge, Values: []schema.Value{v, v2}}, []any{"mkMerge", []any{w, w2}}
}

// fleet returns a fleet of n machines with random words and about perHost values of
// options each, and what Nix should evaluate it to.
func (r source) fleet(n, perHost int, format Format) (*schema.Fleet, map[string]any) {
	f := &schema.Fleet{Files: []string{"hosts.cue", r.text()}}
	f.Network.Description = r.text()
	roles := map[string]any{}
	for range 3 {
		name := r.text()
		if _, taken := roles[name]; !taken {
			set, want := r.attrs(10, 3)
			f.Roles = append(f.Roles, &schema.Role{Name: name, Module: schema.Module{Config: options(set)}})
			roles[name] = map[string]any{"test": want}
		}
	}
	set, defaults := r.attrs(20, 3)
	f.Defaults.Config = options(set)
	hosts := map[string]any{}
	for range n {
		name := "h" + r.name() // not network
		if _, taken := hosts[name]; taken {
			continue
		}
		h, want := r.host(name, perHost, format)
		var imports []any
		if role := f.Roles[r.IntN(len(f.Roles))].Name; r.IntN(2) == 0 {
			h.Roles = []string{role}
			imports = append(imports, roles[role])
		}
		if r.IntN(2) == 0 {
			snippet, values := r.module()
			h.Nix = []schema.Snippet{snippet}
			imports = append(imports, values)
		}
		if imports != nil {
			want["imports"] = imports
		}
		f.Hosts = append(f.Hosts, h)
		hosts[name] = want
	}
	return f, map[string]any{"description": f.Network.Description, "defaults": map[string]any{"test": defaults}, "hosts": hosts}
}

// module returns a module in Nix text with random comments and values.
func (r source) module() (schema.Snippet, any) {
	set, want := r.attrs(5, 2)
	w := newWriter(&schema.Fleet{}, Options{})
	body := w.attrs(set).(*syntax.Attrs)
	for _, b := range body.Bindings {
		b.(*syntax.Attr).Note = &syntax.Note{Before: []string{r.text()}, After: r.text()}
	}
	module := &syntax.Lambda{
		Formals: &syntax.Formals{List: []syntax.Formal{{Name: "lib"}}, Ellipsis: true},
		Body:    &syntax.Attrs{Bindings: []syntax.Binding{attr("test", body)}},
	}
	return schema.Snippet{Text: string(syntax.Format(&syntax.File{Comment: []string{r.text()}, Expr: module}))}, map[string]any{"test": want}
}

// options returns a set as the value of the option test.
func options(set *schema.Attrs) *schema.Attrs {
	return &schema.Attrs{Fields: []schema.Field{{Name: "test", Value: set}}}
}

func (r source) host(name string, n int, format Format) (*schema.Host, map[string]any) {
	h := &schema.Host{Name: name, At: schema.Pos{File: r.text(), Line: 1, Col: 1}, Address: "a" + r.text(), User: "u" + r.text(), Tags: []string{r.text()}}
	h.FileSystems = []schema.FileSystem{{MountPoint: r.name(), Device: r.text(), FSType: "x" + r.text(), Options: []string{r.text(), r.text()}}}
	h.Swap = []schema.Swap{{Device: r.text(), Size: 1 + r.IntN(1000)}}
	h.Disks = []schema.Disk{{Name: "d", Device: r.text(), Boot: true}}
	set, values := r.attrs(n, 3)
	h.Config = options(set)

	deployment := map[string]any{"targetHost": h.Address, "targetUser": h.User}
	if format == Muster || format == NixOps {
		deployment["targetEnv"] = "none"
	} else {
		deployment["tags"] = []any{h.Tags[0]}
	}
	fs, swap := h.FileSystems[0], h.Swap[0]
	name, domain, _ := strings.Cut(h.Name, ".")
	networking := map[string]any{"hostName": name}
	if domain != "" {
		networking["domain"] = []any{"mkDefault", domain}
	}
	return h, map[string]any{
		"deployment": deployment,
		"networking": networking,
		"fileSystems": map[string]any{fs.MountPoint: map[string]any{
			"device": fs.Device, "fsType": fs.FSType, "options": []any{fs.Options[0], fs.Options[1]},
		}},
		"swapDevices": []any{map[string]any{"device": swap.Device, "size": int64(swap.Size)}},
		"boot":        map[string]any{"loader": map[string]any{"grub": map[string]any{"devices": []any{h.Disks[0].Device}}}},
		"test":        values,
	}
}

// Real Nix evaluates the output for an inventory to the values of the inventory, and
// no string of it becomes code.
func TestNixGivesBackWhatWentIn(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("go test -run %s -seed %d", t.Name(), *seed)
	r := source{rand.New(rand.NewPCG(*seed, 0))}
	values := 0
	for i := range 3 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			f, want := r.fleet(40, 250, Muster)
			for _, h := range want["hosts"].(map[string]any) {
				values += len(h.(map[string]any)["test"].(map[string]any))
			}
			roundTrip(t, f, Muster, want, false)
		})
	}
	if values < 20000 {
		t.Errorf("%d values, want 20000", values)
	}
	for _, format := range Formats() {
		f, want := r.fleet(10, 50, format)
		t.Run(string(format), func(t *testing.T) { roundTrip(t, f, format, want, false) })
		t.Run(string(format)+" split", func(t *testing.T) { roundTrip(t, f, format, want, true) })
	}
}

// roundTrip compiles a fleet, evaluates it with Nix, and compares its hosts.
func roundTrip(t *testing.T, f *schema.Fleet, format Format, want map[string]any, split bool) {
	t.Helper()
	f.Dir = t.TempDir()
	network := filepath.Join(f.Dir, "network.nix")
	if split {
		splitInto(t, f, format, f.Dir)
		network = filepath.Join(f.Dir, "default.nix")
		if format.inFlake() {
			network = filepath.Join(f.Dir, "flake.nix")
		}
	} else {
		file, err := Network(f, Options{Format: format})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(network, syntax.Format(file), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(exact(want))
	if err != nil {
		t.Fatal(err)
	}
	wanted := filepath.Join(f.Dir, "want.json")
	if err := os.WriteFile(wanted, text, 0o644); err != nil {
		t.Fatal(err)
	}
	out := instantiate(t, `
		let
		  # Marks are lists that say their names.
		  mark = name: value: [ name value ];
		  marks = [ "mkForce" "mkDefault" "mkBefore" "mkAfter" "mkMerge" ];
		  lib = builtins.listToAttrs (map (name: { inherit name; value = mark name; }) marks) // {
		    mkOverride = n: value: [ "mkOverride" n value ];
		    mkOrder = n: value: [ "mkOrder" n value ];
		    mkIf = condition: value: [ "mkIf" condition value ];
		  };

		  # A module with its imports, be they files, functions or sets.
		  module =
		    m:
		    if builtins.isPath m then
		      module (import m)
		    else if builtins.isFunction m then
		      module (m { inherit lib; })
		    else
		      m // (if m ? imports then { imports = map module m.imports; } else { });

		  net = import `+network+`;
		  flake = net.outputs (builtins.intersectAttrs (builtins.functionArgs net.outputs) {
		    self = { };
		    nixpkgs.lib.nixosSystem = args: builtins.elemAt args.modules 1;
		    deploy-rs = { };
		  });
		  about = if net ? outputs then net else net.network or net.meta;
		  hosts =
		    if net ? outputs then
		      builtins.mapAttrs (name: host: module host // { inherit (flake.colmena.${name}) deployment; }) flake.nixosConfigurations
		    else
		      builtins.mapAttrs (_: module) (removeAttrs net [ "network" "meta" "defaults" ]);
		  got = {
		    inherit (about) description;
		    # morph's own module stands in front of what is the user's.
		    defaults = removeAttrs (module (net.defaults or flake.colmena.defaults)) [ "imports" ];
		    inherit hosts;
		  };

		  kind =
		    v:
		    if builtins.isAttrs v then
		      builtins.mapAttrs (_: kind) v
		    else if builtins.isList v then
		      map kind v
		    else
		      builtins.typeOf v;
		in
		{
		  inherit got;
		  kinds = kind got;
		  same = got == builtins.fromJSON (builtins.readFile `+wanted+`);
		}`)
	decoder := json.NewDecoder(bytes.NewReader(out))
	decoder.UseNumber()
	var result struct {
		Got, Kinds map[string]any
		Same       bool
	}
	if err := decoder.Decode(&result); err != nil {
		t.Fatal(err)
	}
	// Nix's JSON has few digits, and does not distinguish an integer from a whole
	// float. So Nix itself compares the numbers and their types.
	near := cmp.FilterValues(
		func(a, b any) bool { return isNumber(a) && isNumber(b) },
		cmp.Comparer(func(a, b any) bool {
			x, y := toFloat(a), toFloat(b)
			return x == y || math.Abs(x-y) <= 1e-4*math.Abs(x)
		}))
	if diff := cmp.Diff(want, result.Got, near); diff != "" {
		t.Fatalf("(-went in +came out):\n%s", diff)
	}
	if diff := cmp.Diff(kinds(want), result.Kinds); diff != "" {
		t.Fatalf("kinds of values (-went in +came out):\n%s", diff)
	}
	if !result.Same {
		t.Fatal("some number came out that is near the one that went in and not the same")
	}
}

func isNumber(v any) bool {
	switch v.(type) {
	case int64, float64, json.Number:
		return true
	}
	return false
}

func toFloat(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	f, err := v.(json.Number).Float64()
	if err != nil {
		return math.NaN()
	}
	return f
}

// exact writes floating-point numbers with an exponent: without one Nix parses a
// large number as an integer.
func exact(v any) any {
	switch v := v.(type) {
	case float64:
		return json.Number(strconv.FormatFloat(v, 'e', -1, 64))
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = exact(v[i])
		}
		return list
	case map[string]any:
		set := map[string]any{}
		for k := range v {
			set[k] = exact(v[k])
		}
		return set
	}
	return v
}

// kinds replaces all values by the names of their types in Nix.
func kinds(v any) any {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "bool"
	case int64:
		return "int"
	case float64:
		return "float"
	case string:
		return "string"
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = kinds(v[i])
		}
		return list
	case map[string]any:
		set := map[string]any{}
		for k := range v {
			set[k] = kinds(v[k])
		}
		return set
	}
	panic(fmt.Sprintf("kind of %T", v))
}

// The canary works: as Nix text it is executed.
func TestTheCanaryEndsAnEvaluation(t *testing.T) {
	f := &schema.Fleet{Dir: t.TempDir(), Hosts: []*schema.Host{{Name: "web", Address: "192.0.2.1"}}}
	f.Hosts[0].Config = &schema.Attrs{Fields: []schema.Field{{Name: "test", Value: schema.Template{Text: canary}}}}
	name := write(t, f, Muster)
	out := instantiate(t, `(builtins.tryEval (import `+name+`).web.test).success`)
	if strings.TrimSpace(string(out)) != "false" {
		t.Errorf("the canary is %s", out)
	}
	f.Hosts[0].Config.Fields[0].Value = schema.String{V: canary}
	name = write(t, f, Muster)
	out = instantiate(t, `(builtins.tryEval (import `+name+`).web.test).success`)
	if strings.TrimSpace(string(out)) != "true" {
		t.Errorf("as a string the canary is %s", out)
	}
}

// File names may contain anything, too.
func TestPathsOfAnyNameAreThosePaths(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("go test -run %s -seed %d", t.Name(), *seed)
	r := source{rand.New(rand.NewPCG(*seed, 1))}
	f := &schema.Fleet{Dir: "/fleet", Hosts: []*schema.Host{{Name: "web", Address: "192.0.2.1"}}}
	var list schema.List
	var want []string
	for range 2000 {
		name := r.text()
		list.Elems = append(list.Elems, schema.Path{Name: "./" + name})
		want = append(want, filepath.Join("/fleet", name))
	}
	f.Hosts[0].Config = &schema.Attrs{Fields: []schema.Field{{Name: "test", Value: list}}}
	file := write(t, f, Muster)
	var got []string
	if err := json.Unmarshal(instantiate(t, `map toString (import `+file+`).web.test`), &got); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(want, got) {
		for i := range want {
			if want[i] != got[i] {
				t.Errorf("%q became %q", want[i], got[i])
			}
		}
	}
}

// Values may be deeply nested.
func TestDeepValuesComeBack(t *testing.T) {
	r := source{rand.New(rand.NewPCG(7, 7))}
	set, want := &schema.Attrs{}, map[string]any{}
	for i := range 50 {
		text := r.text()
		var v schema.Value = schema.String{V: text}
		var w any = text
		for range 20 * i {
			if r.IntN(2) == 0 {
				v, w = schema.List{Elems: []schema.Value{v}}, []any{w}
			} else {
				name := r.name()
				v, w = &schema.Attrs{Fields: []schema.Field{{Name: name, Value: v}}}, map[string]any{name: w}
			}
		}
		name := fmt.Sprint("v", i)
		set.Fields = append(set.Fields, schema.Field{Name: name, Value: v})
		want[name] = w
	}
	f := &schema.Fleet{Dir: t.TempDir(), Hosts: []*schema.Host{{Name: "web", Address: "192.0.2.1"}}}
	f.Hosts[0].Config = options(set)
	var got map[string]any
	if err := json.Unmarshal(instantiate(t, `(import `+write(t, f, Muster)+`).web.test`), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(want, got) {
		t.Error("what came out is not what went in")
	}
}
