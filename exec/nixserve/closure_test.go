package nixserve

import (
	"fmt"
	"strings"
	"testing"

	"muster/compile/store"
)

func TestSorted(t *testing.T) {
	info := func(name string, refs ...string) PathInfo {
		path := func(n string) store.Path { return store.Path("/nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-" + n) }
		i := PathInfo{Path: path(name)}
		for _, r := range refs {
			i.References = append(i.References, path(r))
		}
		return i
	}
	sorted, err := sortInfos([]PathInfo{info("a", "c", "a", "elsewhere"), info("b", "a"), info("c", "d"), info("d")})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range sorted {
		names = append(names, i.Path.Name())
	}
	if got := strings.Join(names, " "); got != "d c a b" {
		t.Errorf("got %s", got)
	}
	if _, err := sortInfos([]PathInfo{info("a", "b"), info("b", "c"), info("c", "a")}); err == nil || !strings.Contains(err.Error(), "refer to each other") {
		t.Errorf("a cycle: %v", err)
	}
	long := make([]PathInfo, 100_000)
	for i := range long {
		long[i] = info(fmt.Sprint(i), fmt.Sprint(i+1))
	}
	if sorted, err := sortInfos(long); err != nil || sorted[0].Path.Name() != "99999" {
		t.Errorf("a long chain: %v", err)
	}
}
