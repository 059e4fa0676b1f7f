package schema

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Fleets of any size, equivalent in all languages.

func benchAddress(i int) string { return fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255) }
func benchUUID(i int) string    { return fmt.Sprintf("%08x-0000-4000-8000-%012x", i, i) }

func benchTOML(hosts int) string {
	var b strings.Builder
	b.WriteString("[nixpkgs]\nunpinned = true\n[roles.web.config]\nservices.httpd.enable = true\n")
	for i := range hosts {
		fmt.Fprintf(&b, "[hosts.h%d]\nhost = %q\ndisk_uuid = %q\nport = 22\nuser = \"root\"\nroles = [\"web\"]\ntags = [\"web\", \"r%d\"]\n", i, benchAddress(i), benchUUID(i), i%7)
		fmt.Fprintf(&b, "[hosts.h%d.config]\nservices.openssh = { enable = true, ports = [22] }\n", i)
	}
	return b.String()
}

func benchCUE(hosts int) string {
	var b strings.Builder
	b.WriteString("package fleet\n\nnixpkgs: unpinned: true\nroles: web: config: services: httpd: enable: true\n")
	for i := range hosts {
		fmt.Fprintf(&b, "hosts: h%d: {\n\thost: %q\n\tdisk_uuid: %q\n\tport: 22\n\tuser: \"root\"\n\troles: [\"web\"]\n\ttags: [\"web\", \"r%d\"]\n", i, benchAddress(i), benchUUID(i), i%7)
		b.WriteString("\tconfig: services: openssh: {enable: true, ports: [22]}\n}\n")
	}
	return b.String()
}

func benchTemplate(hosts int) string {
	var b strings.Builder
	b.WriteString(`package fleet

nixpkgs: unpinned: true
roles: web: config: services: httpd: enable: true
hosts: [Name=_]: {
	port: *22 | int
	user: *"root" | string
	roles: ["web"]
	config: networking: hostName: Name
}
`)
	for i := range hosts {
		fmt.Fprintf(&b, "hosts: h%d: {\n\thost: %q\n\tdisk_uuid: %q\n\ttags: [\"web\", \"r%d\"]\n}\n", i, benchAddress(i), benchUUID(i), i%7)
	}
	return b.String()
}

func benchJSON(hosts int) string {
	var b strings.Builder
	b.WriteString(`{"nixpkgs":{"unpinned":true},"roles":{"web":{"config":{"services":{"httpd":{"enable":true}}}}},"hosts":{`)
	for i := range hosts {
		if i > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, `"h%d":{"host":%q,"disk_uuid":%q,"port":22,"user":"root","roles":["web"],"tags":["web","r%d"],"config":{"services":{"openssh":{"enable":true,"ports":[22]}}}}`, i, benchAddress(i), benchUUID(i), i%7)
	}
	b.WriteString("}}\n")
	return b.String()
}

func benchYAML(hosts int) string {
	var b strings.Builder
	b.WriteString("nixpkgs:\n  unpinned: true\nroles:\n  web: {config: {services: {httpd: {enable: true}}}}\nhosts:\n")
	for i := range hosts {
		fmt.Fprintf(&b, "  h%d:\n    host: %s\n    disk_uuid: %s\n    port: 22\n    user: root\n    roles: [web]\n    tags: [web, r%d]\n", i, benchAddress(i), benchUUID(i), i%7)
		b.WriteString("    config:\n      services: {openssh: {enable: true, ports: [22]}}\n")
	}
	return b.String()
}

// benchComputed has fields that are computed, and references to other hosts.
func benchComputed(hosts int) string {
	var b strings.Builder
	b.WriteString(`package fleet

nixpkgs: unpinned: true
roles: web: config: services: httpd: enable: true
_racks: ["a", "b", "c", "d", "e", "f", "g"]
hosts: [Name=_]: {
	meta: n: int
	let N = meta.n
	host: "10.\(div(N, 65536)).\(mod(div(N, 256), 256)).\(mod(N, 256))"
	port: *22 | int
	roles: ["web"]
	tags: ["web", "rack-\(_racks[mod(N, 7)])"]
	if mod(N, 2) == 0 {policy: "best_effort"}
	config: networking: {hostName: Name, nameservers: [hosts.h1.host]}
}
`)
	for i := range hosts {
		fmt.Fprintf(&b, "hosts: h%d: meta: n: %d\n", i, i)
	}
	return b.String()
}

// benchComprehension has hosts of two nested comprehensions.
func benchComprehension(hosts int) string {
	return fmt.Sprintf(`package fleet

import "list"

nixpkgs: unpinned: true
roles: web: config: services: httpd: enable: true
_sites: ["ams", "ber", "cph", "dub", "edi"]
hosts: {
	for s, site in _sites for r in list.Range(0, %d, 1) if r >= 0 {
		for k in list.Range(0, 10, 1) {
			let I = s*%d + r*10 + k
			"\(site)-\(r)-\(k)": {
				host: "10.\(div(I, 65536)).\(mod(div(I, 256), 256)).\(mod(I, 256))"
				port: 22
				roles: ["web"]
				tags: [site]
			}
		}
	}
}
`, hosts/50, hosts/5)
}

var benchFleets = []struct {
	name, file string
	text       func(int) string
}{
	{"toml", "hosts.toml", benchTOML},
	{"cue", "hosts.cue", benchCUE},
	{"cue-template", "hosts.cue", benchTemplate},
	{"cue-computed", "hosts.cue", benchComputed},
	{"cue-comprehension", "hosts.cue", benchComprehension},
	{"json", "hosts.json", benchJSON},
	{"yaml", "hosts.yaml", benchYAML},
}

var benchSizes = []int{1_000, 10_000}

// BenchmarkLoad loads and checks fleets. cpu-s/op is CPU time of all threads.
func BenchmarkLoad(b *testing.B) {
	for _, fl := range benchFleets {
		for _, n := range benchSizes {
			b.Run(fmt.Sprintf("%s/%d", fl.name, n), func(b *testing.B) {
				dir := b.TempDir()
				if err := os.WriteFile(filepath.Join(dir, fl.file), []byte(fl.text(n)), 0o644); err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				before := cpuSeconds(syscall.RUSAGE_SELF)
				for b.Loop() {
					f, err := Load(context.Background(), fl.file, Options{Dir: dir})
					if err != nil || len(f.Hosts) != n {
						b.Fatal(err)
					}
				}
				b.ReportMetric((cpuSeconds(syscall.RUSAGE_SELF)-before)/float64(b.N), "cpu-s/op")
			})
		}
	}
}

// BenchmarkPaired alternates between loading a fleet and checking it with the stock
// cue vet against schema.cue, each in a process of its own. It reports CPU time and
// peak memory of both and the ratio of the times.
func BenchmarkPaired(b *testing.B) {
	cue := stockCUE(b)
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	for _, fl := range benchFleets {
		for _, n := range benchSizes {
			b.Run(fmt.Sprintf("%s/%d", fl.name, n), func(b *testing.B) {
				if fl.name == "toml" && n > 1000 {
					b.Skip("stock cue takes minutes: its time grows with the square")
				}
				ours, stock := b.TempDir(), b.TempDir()
				text := fl.text(n)
				args := []string{"vet", "-c", "schema.cue", "-d", "#Inventory", fl.file}
				write(b, ours, fl.file, text)
				write(b, stock, "schema.cue", schemaText)
				if strings.HasSuffix(fl.file, ".cue") {
					text = strings.Replace(text, "package fleet", "package schema", 1)
					write(b, stock, "vet.cue", "package schema\n#Inventory\n")
					args = []string{"vet", "-c", "."}
				}
				write(b, stock, fl.file, text)
				var times [2]float64
				var memory [2]int64
				for b.Loop() {
					for i, cmd := range []*exec.Cmd{exec.Command(self, "-test.run=^TestHostile$"), exec.Command(cue, args...)} {
						cmd.Dir = []string{ours, stock}[i]
						cmd.Env = append(os.Environ(), "SCHEMA_HOSTILE="+fl.file)
						out, err := cmd.CombinedOutput()
						if err != nil || i == 0 && string(out) != "loads\n" {
							b.Fatalf("%v\n%s", err, out)
						}
						use := cmd.ProcessState.SysUsage().(*syscall.Rusage)
						times[i] += float64(use.Utime.Nano()+use.Stime.Nano()) / 1e9
						memory[i] = max(memory[i], use.Maxrss>>10)
					}
				}
				b.ReportMetric(times[0]/float64(b.N), "ours-cpu-s")
				b.ReportMetric(times[1]/float64(b.N), "stock-cpu-s")
				b.ReportMetric(times[0]/times[1], "ratio")
				b.ReportMetric(float64(memory[0]), "ours-MiB")
				b.ReportMetric(float64(memory[1]), "stock-MiB")
			})
		}
	}
}

func write(tb testing.TB, dir, name, text string) {
	tb.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		tb.Fatal(err)
	}
}

func cpuSeconds(who int) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// stockCUE returns the path of the cue command that go.mod pins.
func stockCUE(tb testing.TB) string {
	tb.Helper()
	out, err := exec.Command("go", "tool", "-n", "cue").Output()
	if err != nil {
		tb.Fatalf("go tool -n cue: %v", err)
	}
	return strings.TrimSpace(string(out))
}
