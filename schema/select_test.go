package schema

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func selectFleet() *Fleet {
	address := map[string]string{"web1": "192.0.2.1"}
	host := func(name, tags, roles string) *Host {
		return &Host{Address: address[name], Name: name, Tags: strings.Fields(tags), Roles: strings.Fields(roles)}
	}
	return &Fleet{Hosts: []*Host{
		host("web1", "web eu", "front"), host("web2", "web us", "front"),
		host("db1", "db eu", "store"), host("db2", "db us", "store"), host("laptop", "", ""),
	}}
}

func TestSelect(t *testing.T) {
	for _, tt := range []struct{ expr, want string }{
		{"", "web1 web2 db1 db2 laptop"},
		{"*", "web1 web2 db1 db2 laptop"},
		{"db1", "db1"},
		{"web*", "web1 web2"},
		{"?b[12]", "db1 db2"},
		{"web[!1]", "web2"},
		{"@eu", "web1 db1"},
		{"@e*", "web1 db1"},
		{"@{eu,us} & db?", "db1 db2"},
		{"+{front,sto*}", "web1 web2 db1 db2"},
		{"{web,db}{1,2}", "web1 web2 db1 db2"},
		{"{web{1,2},laptop},db1", "web1 web2 db1 laptop"},
		{"!{web,db}*", "laptop"},
		{"(web{1,2})", "web1 web2"},
		{"localhost", "web2"},
		{"!localhost & @web", "web1"},
		{"web{1,3}", `error: select "web{1,3}": no host is named "web3"; did you mean web1?`},
		{"@x*", `error: select "@x*": no host has a tag that matches "x*"`},
		{"web{1,2", `error: select "web{1,2": "{1,2": missing }`},
		{"web1}", `error: select "web1}": "web1}": } without {`},
		{"web{,1}", `error: select "web{,1}": no host is named "web"; did you mean web1 or the tag @web?`},
		{"@{,eu}", `error: select "@{,eu}": "@" names no host, tag or role`},
		{strings.Repeat("{a,b}", 20), "error: select \"" + strings.Repeat("{a,b}", 12) + "…\": braces stand for more than 10000 words or 1048576 bytes"},
		{strings.Repeat("{", 1000), "error: select \"" + strings.Repeat("{", 60) + "…\": braces nested deeper than 200 levels"},
		{"web1 and web2", `error: select "web1 and web2": unexpected "and web2": and is written &`},
		{"web1 or web2", `error: select "web1 or web2": unexpected "or web2": or is written as a comma`},
		{"not web1", `error: select "not web1": no host is named "not"`},
		{"web1:web2", `error: select "web1:web2": no host is named "web1:web2"; hosts are separated by commas: web1,web2`},
		{"web1;db1", `error: select "web1;db1": no host is named "web1;db1"; hosts are separated by commas: web1,db1`},
		{"root@web1", `error: select "root@web1": no host is named "root@web1"; a host is chosen by its name alone: web1`},
		{"web1:2222", `error: select "web1:2222": no host is named "web1:2222"; a host is chosen by its name alone: web1`},
		{"web1.example.org", `error: select "web1.example.org": no host is named "web1.example.org"; a host is chosen by its name alone: web1`},
		{"web{1..2}", `error: select "web{1..2}": no host is named "web1..2"; a range is written out, as in {1,2,3}, or of single digits as [1-3]`},
		{".#web1", `error: select ".#web1": no host is named ".#web1"; a host is chosen by its name alone: web1`},
		{"nixosConfigurations.web1", `error: select "nixosConfigurations.web1": no host is named "nixosConfigurations.web1"; a host is chosen by its name alone: web1`},
		{"192.0.2.1", `error: select "192.0.2.1": no host is named "192.0.2.1"; it is the address of web1`},
		{"-web1", `error: select "-web1": no host is named "-web1"; all but a host are chosen with !: !web1`},
		{"#web", `error: select "#web": no host is named "#web"; did you mean the tag @web?`},
		{"@web1", `error: select "@web1": no host has the tag "web1"; did you mean @web or the host web1?`},
		{"+web", `error: select "+web": no host has the role "web"; did you mean the tag @web?`},
		{"@front", `error: select "@front": no host has the tag "front"; did you mean the role +front?`},
		{"@all", `error: select "@all": no host has the tag "all"; all hosts are chosen by "*", and without a selector`},
		{"+store", "db1 db2"},
		{"!@web", "db1 db2 laptop"},
		{"!!db1", "db1"},
		{"@web&@eu", "web1"},
		{"@web & !web1, laptop", "web2 laptop"},
		{"(@web,@db) & @us", "web2 db2"},
		{"!(@web, @db)", "laptop"},
		{" db1 , web1 ", "web1 db1"},
		{"web", `error: select "web": no host is named "web"; did you mean web1 or the tag @web?`},
		{"@dbs", `error: select "@dbs": no host has the tag "dbs"; did you mean @db?`},
		{"+stone", `error: select "+stone": no host has the role "stone"; did you mean +store?`},
		{"zzz*", `error: select "zzz*": no host matches "zzz*"`},
		{"web[", `error: select "web[": "web[" is not a valid pattern`},
		{"@web & @db", `error: select "@web & @db": no host matches`},
		{"@web &", `error: select "@web &": want a host, @tag or +role at the end`},
		{"(@web", `error: select "(@web": missing )`},
		{"@web)", `error: select "@web)": unexpected ")": no ( stands before it`},
		{"web1 web2", `error: select "web1 web2": unexpected "web2": hosts are separated by commas`},
		{",", `error: select ",": want a host, @tag or +role before ","`},
		{strings.Repeat("(", 1000), "error: select \"" + strings.Repeat("(", 60) + "…\": nested deeper than 200 levels"},
	} {
		hosts, err := SelectFrom(selectFleet(), tt.expr, func(h *Host) bool { return h.Name == "web2" })
		var names []string
		for _, h := range hosts {
			names = append(names, h.Name)
		}
		got := strings.Join(names, " ")
		if err != nil {
			got = "error: " + err.Error()
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("Select(%q): %s", tt.expr, d)
		}
	}
}

// Where no host is the machine that muster runs on, all hosts are others.
func TestSelectAllButLocalhost(t *testing.T) {
	f := selectFleet()
	nowhere := func(*Host) bool { return false }
	if hosts, err := SelectFrom(f, "!localhost", nowhere); err != nil || len(hosts) != len(f.Hosts) {
		t.Errorf("!localhost: %d hosts, %v; want all", len(hosts), err)
	}
	if _, err := SelectFrom(f, "localhost", nowhere); err == nil {
		t.Error("localhost: no error")
	}
	f.Hosts = append(f.Hosts, &Host{Name: Localhost})
	if hosts, err := SelectFrom(f, "localhost", nowhere); err != nil || len(hosts) != 1 {
		t.Errorf("localhost as a name: %d hosts, %v; want 1", len(hosts), err)
	}
	if _, err := Select(selectFleet(), "localhost"); err == nil {
		t.Error("a rollout may not depend on the machine: localhost is accepted in it")
	}
}

// A fully qualified host is not chosen by its first label, and the message has its name.
func TestSelectWholeName(t *testing.T) {
	f := &Fleet{Hosts: []*Host{{Name: "web1"}, {Name: "db1.example.org"}}}
	_, err := Select(f, "db1")
	if want := `select "db1": no host is named "db1"; a host is chosen by its whole name: db1.example.org`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func FuzzSelect(f *testing.F) {
	for _, s := range []string{"", "web1", "@web & !(db*, +front)", "web[!1]", "[!", "!", "a{1,{2,3}}", "{,}", "\x00", "é*", "a,(b"} {
		f.Add(s)
	}
	fleet := selectFleet()
	f.Fuzz(func(t *testing.T, expr string) {
		hosts, err := Select(fleet, expr)
		if err != nil {
			return
		}
		// What is chosen, and what its negation chooses, is every host once.
		rest, err := Select(fleet, "!("+expr+")")
		if err == nil && len(hosts)+len(rest) != len(fleet.Hosts) && strings.TrimSpace(expr) != "" {
			t.Errorf("Select(%q) chooses %d hosts, its negation %d of %d", expr, len(hosts), len(rest), len(fleet.Hosts))
		}
	})
}

// A long list of names gives what its parts give, in work that grows with both.
func TestSelectManyNames(t *testing.T) {
	f := new(Fleet)
	var names []string
	for i := range 20_000 {
		name := fmt.Sprint("h", i)
		f.Hosts = append(f.Hosts, &Host{Name: name, Tags: []string{"t"}})
		if i%2 == 0 {
			names = append(names, name)
		}
	}
	list := strings.Join(names, " , ")
	for _, tt := range []struct {
		expr string
		want int
	}{
		{list, 10_000},
		{"(" + list + ")&@t", 10_000},
		{"!(" + list + ")", 10_000},
		{list + ",h1&!h1", 10_000},
		{list + ",h1 & @t", 10_001},
	} {
		hosts, err := Select(f, tt.expr)
		if err != nil || len(hosts) != tt.want {
			t.Errorf("%.20s…: %d hosts, %v, want %d", tt.expr, len(hosts), err, tt.want)
		}
	}
	if _, err := Select(f, list+",nobody"); err == nil {
		t.Error("a name that no host has is accepted")
	}
	if allocs := testing.AllocsPerRun(1, func() { Select(f, list) }); allocs > 5_000 {
		t.Errorf("%.0f allocations for %d names", allocs, len(names))
	}
}

// A tag in quotes may have any characters.
func TestSelectQuotedTags(t *testing.T) {
	fleet := &Fleet{Hosts: []*Host{{Name: "a", Tags: []string{"rack 1, left", "x"}}, {Name: "b", Tags: []string{"rack 1, left", "(*)"}}, {Name: "c.example.org", Tags: []string{"env:prod/eu"}}}}
	for _, tt := range []struct{ expr, want string }{
		{`@"rack 1, left"`, "a b"},
		{`!@"rack 1, left"`, "c.example.org"},
		{` @"rack 1, left" & @"x", c.example.org`, "a c.example.org"},
		{`(@"(*)",@"x")`, "a b"},
		{`@env:prod/eu`, "c.example.org"},
		{`*.example.org`, "c.example.org"},
		{`@"rack 1`, `error: select "@\"rack 1": missing quote after "@\"rack 1"`},
		{`@"rack 1, leff"`, `error: select "@\"rack 1, leff\"": no host has the tag "rack 1, leff"; did you mean @"rack 1, left"?`},
		{`@"x"y`, `error: select "@\"x\"y": unexpected "y": hosts are separated by commas`},
	} {
		hosts, err := Select(fleet, tt.expr)
		var names []string
		for _, h := range hosts {
			names = append(names, h.Name)
		}
		got := strings.Join(names, " ")
		if err != nil {
			got = "error: " + err.Error()
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: %s", tt.expr, d)
		}
		if err := CheckSelector(tt.expr); (err == nil) != (!strings.HasPrefix(tt.want, "error") || strings.Contains(tt.want, "no host")) {
			t.Errorf("%s: %v", tt.expr, err)
		}
	}
}
