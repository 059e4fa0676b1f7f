package compile

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"muster/compile/syntax"
	"muster/schema"
)

// manyHosts returns a typical large fleet: roles, defaults, and a few options on
// every host.
func manyHosts(n int) *schema.Fleet {
	text := func(s string) schema.String { return schema.String{V: s} }
	set := func(fields ...schema.Field) *schema.Attrs { return &schema.Attrs{Fields: fields} }
	field := func(name string, v schema.Value) schema.Field { return schema.Field{Name: name, Value: v} }
	f := &schema.Fleet{Dir: "/fleet", Files: []string{"hosts.cue"}}
	f.Nixpkgs.Path = "./nixpkgs"
	f.Defaults.Config = set(field("time", set(field("timeZone", text("Europe/Berlin")))))
	for i := range 20 {
		role := &schema.Role{Name: fmt.Sprint("role-", i)}
		role.Config = set(field("services", set(field(fmt.Sprint("s", i), set(field("enable", schema.Bool{V: true}))))))
		f.Roles = append(f.Roles, role)
	}
	for i := range n {
		h := &schema.Host{
			Name: fmt.Sprintf("host-%05d", i), At: schema.Pos{File: "hosts.cue", Line: i + 1, Col: 1},
			Address:  fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255),
			DiskUUID: fmt.Sprintf("01b3bcba-c0ef-4538-8dd2-%012x", i),
			User:     "deploy", Roles: []string{f.Roles[i%20].Name, f.Roles[(i+7)%20].Name}, Tags: []string{"prod"},
			Swap: []schema.Swap{{Device: "/swapfile", Size: 2048}},
		}
		h.Config = set(
			field("networking", set(
				field("firewall", set(field("allowedTCPPorts", schema.List{Elems: []schema.Value{schema.Int{V: 80}, schema.Int{V: 443}}}))),
				field("domain", text("example.org")),
			)),
			field("services", set(field("httpd", set(
				field("enable", schema.Mark{Kind: schema.Default, Values: []schema.Value{schema.Bool{V: true}}}),
				field("virtualHosts", set(field(h.Name+".example.org", set(field("documentRoot", schema.Template{Text: "${pkgs.site}/www"}))))),
			)))),
			field("environment", set(field("systemPackages", schema.List{Elems: []schema.Value{schema.Pkg{Name: "htop"}, schema.Pkg{Name: "vim"}}}))),
		)
		f.Hosts = append(f.Hosts, h)
	}
	return f
}

// BenchmarkNetwork compiles a fleet in memory. cpu-s is CPU time, which does not
// depend on other load, and peak-MB the peak memory of the process.
func BenchmarkNetwork(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprintf("hosts=%d", n), func(b *testing.B) {
			f := manyHosts(n)
			b.ReportAllocs()
			before := used(b)
			for b.Loop() {
				file, err := Network(f, Options{})
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(syntax.Format(file))))
			}
			after := used(b)
			cpu := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
			b.ReportMetric(cpu.Seconds()/float64(b.N), "cpu-s/op")
			b.ReportMetric(float64(after.Maxrss)/1024, "peak-MB")
		})
	}
}

// BenchmarkText prints a fleet whose hosts are made one by one. peak-MB, the peak
// memory of the process, is little more than the fleet and the text take.
func BenchmarkText(b *testing.B) {
	for _, n := range []int{10_000, 200_000} {
		b.Run(fmt.Sprintf("hosts=%d", n), func(b *testing.B) {
			f := manyHosts(n)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Text(f, Options{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(used(b).Maxrss)/1024, "peak-MB")
		})
	}
}

// used returns the resources that the process has used.
func used(b *testing.B) syscall.Rusage {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return r
}
