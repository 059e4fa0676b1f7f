package evaluate

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// A cache with any text and a right digest is read or ignored; what is read is the same after it was saved again.
func FuzzCache(f *testing.F) {
	f.Add(`{"Key":"KEY","Inputs":[{"Kind":"file","Name":"/a","Digest":"x"},{"Kind":"env","Name":"A"}],"Hosts":{"web1":{"System":{},"Reads":[[0,2]]},"b":{"Warnings":["w"],"Reads":[[1,1]]}}}`)
	f.Add(`{"Key":"KEY","Inputs":null,"Hosts":{"a":{"Reads":[[-1,2]]}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		dir := filepath.Join(t.TempDir(), "eval")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		c, err := openCache(dir, "/fleet")
		if err != nil {
			t.Fatal(err)
		}
		text = strings.ReplaceAll(text, "KEY", c.content.Key)
		if err := c.write([]byte(keyOf(text) + "\n" + text)); err != nil {
			t.Fatal(err)
		}
		if c, err = openCache(dir, "/fleet"); err != nil {
			t.Fatal(err)
		}
		inputs := func(c *cache) map[string][]string {
			all := map[string][]string{}
			for name, h := range c.content.Hosts {
				seen := map[string]bool{}
				for _, r := range h.Reads {
					for _, in := range c.content.Inputs[r[0]:r[1]] {
						if key := fmt.Sprint(in); !seen[key] {
							seen[key] = true
							all[name] = append(all[name], key)
						}
					}
				}
			}
			return all
		}
		var names []string
		for name := range c.content.Hosts {
			names = append(names, name)
		}
		if err := c.save(names, nil, nil, nil); err != nil {
			t.Fatal(err)
		}
		again, err := openCache(dir, "/fleet")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(inputs(c), inputs(again), cmpopts.EquateEmpty(), cmpopts.SortSlices(strings.Compare)); diff != "" {
			t.Errorf("saved again (-was +is):\n%s", diff)
		}
		if diff := cmp.Diff(c.content.Hosts, again.content.Hosts, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(cachedHost{}, "Reads")); diff != "" {
			t.Errorf("saved again (-was +is):\n%s", diff)
		}
	})
}
