package exec

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An event that is read from a journal is read the same when it is saved again, unless it lacked a field.
func FuzzDecodeEvent(f *testing.F) {
	for _, name := range slices.Sorted(maps.Keys(codecs)) {
		f.Add(name, []byte(`{}`))
		f.Add(name, []byte(`{"host":"web1","stage":"copy","took_ns":5,"text":"x"}`))
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		e, err := DecodeEvent(name, data)
		if (err == nil) != (CheckEvent(name, data) == nil) {
			t.Fatalf("decoded: %v, checked: %v", err, CheckEvent(name, data))
		}
		if err != nil {
			return
		}
		saved, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		again, err := DecodeEvent(name, saved)
		if err != nil && strings.Contains(err.Error(), `unknown value ""`) {
			return
		}
		if err != nil {
			t.Fatalf("%s is saved as %s: %v", data, saved, err)
		}
		twice, err := json.Marshal(again)
		if diff := cmp.Diff(string(saved), string(twice)); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	})
}
