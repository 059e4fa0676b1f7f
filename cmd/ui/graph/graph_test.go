package graph

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/schema"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// small is a fleet of a few hosts with jumps, one of them of the fleet.
func small() Fleet {
	return Fleet{
		Name: "shop",
		Hosts: []*schema.Host{
			{Name: "bastion", Address: "192.0.2.1", System: "x86_64-linux"},
			{Name: "web1", Address: "10.0.0.1", System: "x86_64-linux", Roles: []string{"web"}, Jump: "bastion", Tags: []string{"canary"}},
			{Name: "web2", Address: "10.0.0.2", System: "x86_64-linux", Roles: []string{"web"}, Jump: "bastion"},
			{Name: "a-name-that-is-longer-than-its-cell", Address: "10.1.0.1", System: "aarch64-linux", Roles: []string{"db", "<evil>\x1b"}, Jump: "bastion,user@10.0.0.9:2222"},
			{Name: "carried", System: "x86_64-linux", Unconnected: true},
		},
		Waves: [][]string{{"bastion", "web1"}, {"web2", "a-name-that-is-longer-than-its-cell", "carried"}},
	}
}

// large is a fleet of many hosts.
func large(hosts int) Fleet {
	f := Fleet{Name: "production", Waves: make([][]string, 4)}
	for i := range hosts {
		role := []string{"web", "db", "kubernetes-node", "monitoring"}[i*4/hosts]
		h := &schema.Host{Name: fmt.Sprintf("%s%d", role, i+1), Address: fmt.Sprintf("10.0.%d.%d", i/250, i%250), System: "x86_64-linux", Roles: []string{role}}
		if role == "db" {
			h.Jump = "gate1"
		}
		if role == "monitoring" {
			h.Jump = "gate2"
		}
		f.Hosts = append(f.Hosts, h)
		wave := min(i%10, 3)
		f.Waves[wave] = append(f.Waves[wave], h.Name)
	}
	return f
}

func drawn(t *testing.T, f Fleet) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGolden(t *testing.T) {
	for name, f := range map[string]Fleet{"small": small(), "none": {Name: "none"}} {
		golden := filepath.Join("testdata", name+".svg")
		got := drawn(t, f)
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", golden, diff)
		}
	}
}

// A drawing is the same each time, is XML, and names every host once in a cell's title.
func TestEveryHostIsDrawn(t *testing.T) {
	for _, f := range []Fleet{small(), large(3), large(300)} {
		text := drawn(t, f)
		if !bytes.Equal(text, drawn(t, f)) {
			t.Error("drawn twice, the fleet looks different")
		}
		var titles []string
		decoder := xml.NewDecoder(bytes.NewReader(text))
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if start, ok := token.(xml.StartElement); ok && start.Name.Local == "title" {
				var title string
				if err := decoder.DecodeElement(&title, &start); err != nil {
					t.Fatal(err)
				}
				titles = append(titles, title)
			}
		}
		for _, h := range f.Hosts {
			if n := len(slices.DeleteFunc(slices.Clone(titles), func(title string) bool {
				return !bytes.HasPrefix([]byte(title), []byte(h.Name+": ")) || bytes.HasSuffix([]byte(title), []byte(": jump host"))
			})); n != 1 {
				t.Errorf("%s is drawn %d times", h.Name, n)
			}
		}
	}
}

// Boxes do not lie on each other: no two cells, and no two groups.
func TestNothingOverlaps(t *testing.T) {
	for _, f := range []Fleet{small(), large(300)} {
		d := &drawing{groups: groupsOf(f), waves: len(f.Waves)}
		d.layOut()
		end := 0
		for _, g := range d.groups {
			if g.y < end {
				t.Errorf("group %s of wave %d begins at %d, above %d", g.roles, g.wave, g.y, end)
			}
			end = g.y + g.height
		}
		if end > d.height {
			t.Errorf("the drawing is %d high, and its last group ends at %d", d.height, end)
		}
		for i, n := range d.nodes[1:] {
			if n.y-d.nodes[i].y < 50 {
				t.Errorf("%s lies on the node above", n.jump)
			}
		}
	}
}

// In a very large fleet, some hosts of each group are drawn, and the others counted.
func TestVeryManyHostsAreCounted(t *testing.T) {
	text := drawn(t, large(50_000))
	if len(text) > 1<<20 {
		t.Errorf("the drawing has %d kB", len(text)>>10)
	}
	for _, want := range []string{"and 1210 hosts more", "The fleet production", `>web1<`} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the drawing has no %q", want)
		}
	}
}

// No text is wider than the box that it is in, whatever its letters.
func TestTextsFitTheirBoxes(t *testing.T) {
	for _, text := range []string{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm", "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW", "日本語日本語日本語日本語日本語日本語", "a", "web1", ""} {
		for _, pixels := range []int{64, 166, 192} {
			got := fit(text, pixels)
			if w := textWidth(got); w > pixels {
				t.Errorf("%q in %d pixels is %q, of %d", text, pixels, got, w)
			}
			if textWidth(text) <= pixels && got != text {
				t.Errorf("%q is cut to %q", text, got)
			}
		}
	}
}
