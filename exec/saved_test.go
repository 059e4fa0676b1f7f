package exec

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"muster/compile/store"
	"muster/schema"
)

// anyOf are values of the types that have few.
var anyOf = map[reflect.Type]string{
	reflect.TypeFor[Stage]():              string(Copy),
	reflect.TypeFor[Status]():             string(Copied),
	reflect.TypeFor[schema.Policy]():      string(schema.Roaming),
	reflect.TypeFor[schema.Privilege]():   string(schema.Command),
	reflect.TypeFor[schema.FailedUnits](): string(schema.AnyFailures),
	reflect.TypeFor[schema.BuildOn]():     string(schema.BuildTarget),
}

// A filler gives every exported field of a value a value of its own.
type filler struct{ n int64 }

func (f *filler) fill(t *testing.T, v reflect.Value) {
	t.Helper()
	f.n++
	switch v.Interface().(type) {
	case schema.Module, *schema.Attrs: // what an inventory says for the compiler
		return
	case store.Path:
		v.SetString(fmt.Sprintf("/nix/store/%032d-system", f.n))
		return
	case Action:
		v.SetString(string(Switch))
		return
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(1_700_000_000+f.n, 0).UTC()))
		return
	case []schema.Hook: // one of Before and After is set
		v.Set(reflect.ValueOf([]schema.Hook{
			{Before: "copy", Command: []string{"a"}, OnHost: true, Timeout: 1},
			{After: "activate", Command: []string{"b"}, Timeout: 2},
		}))
		return
	case []schema.Check: // one of Command, HTTP, TCP and Unit is set
		v.Set(reflect.ValueOf([]schema.Check{
			{Command: []string{"a"}, Timeout: 1, Interval: 2, Retries: 3},
			{HTTP: "http://a", Status: 200, FromHere: true, Description: "a", Before: true, Headers: []schema.Header{{Name: "A", Value: "b c"}}, Insecure: true}, {TCP: "80"}, {Unit: "a.service"},
		}))
		return
	}
	if word, ok := anyOf[v.Type()]; ok {
		v.SetString(word)
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprint("text", f.n))
	case reflect.Int, reflect.Int64, reflect.Int32:
		v.SetInt(f.n)
	case reflect.Uint32:
		v.SetUint(uint64(f.n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(t, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		f.fill(t, v.Index(0))
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				f.fill(t, v.Field(i))
			}
		}
	case reflect.Interface:
		if v.Type() != reflect.TypeFor[error]() {
			t.Fatalf("no value for %v", v.Type())
		}
		v.Set(reflect.ValueOf(errors.New(fmt.Sprint("error", f.n))))
	default:
		t.Fatalf("no value for %v", v.Type())
	}
}

// ignoring compares all but some fields of a type.
func ignoring(of any, why map[string]string) cmp.Option {
	return cmpopts.IgnoreFields(of, slices.Collect(maps.Keys(why))...)
}

// Fields that are not saved, each with its reason. A field that is added to one
// of these types is saved, or is named here.
var notSaved = cmp.Options{
	cmp.Comparer(func(a, b error) bool { return (a == nil) == (b == nil) && (a == nil || a.Error() == b.Error()) }),
	cmpopts.IgnoreUnexported(Plan{}, schema.Host{}, schema.Secret{}, schema.Install{}, Outcome{}),
	ignoring(Step{}, map[string]string{"Earlier": "the journal says it anew"}),
	ignoring(Outcome{}, map[string]string{"Err": "Error is its text"}),
	ignoring(schema.Host{}, map[string]string{
		"At": "a place in the inventory", "Flake": "in the system", "Node": "in the system", "Tags": "for selectors", "Cross": "in the system", "FileSystems": "in the system",
		"Swap": "in the system", "Upgrades": "in the system", "Pulls": "in the system", "Meta": "the user's own", "Provision": "the machine is there", "KnownHosts": "in the system", "ExtraHosts": "in the system", "Module": "in the system",
		"AddressOption": "the plan has the address", "NoSystem": "a step is for a system or for a profile", "Profiles": "each has a step of its own",
	}),
	ignoring(schema.Profile{}, map[string]string{
		"At": "a place in the inventory", "Flake": "evaluated", "Expr": "evaluated", "Dir": "evaluated", "File": "evaluated", "Attr": "evaluated",
	}),
	ignoring(schema.Secret{}, map[string]string{
		"At": "a place in the inventory", "Generate": "done before", "Owner": "in the system", "Group": "in the system", "Mode": "in the system",
		"Path": "in the system", "Restart": "in the system", "Reload": "in the system", "Mesh": "done before",
	}),
	ignoring(schema.Disk{}, map[string]string{"At": "a place in the inventory"}),
	ignoring(schema.Partition{}, map[string]string{"At": "a place in the inventory"}),
	ignoring(schema.Kexec{}, map[string]string{"At": "a place in the inventory"}),
	ignoring(schema.Check{}, map[string]string{"At": "a place in the inventory"}),
	ignoring(schema.Cache{}, map[string]string{"At": "a place in the inventory"}),
	ignoring(schema.Hook{}, map[string]string{"At": "a place in the inventory", "Hosts": "resolved: each step has its own hooks"}),
	ignoring(schema.KlusterRollout{}, map[string]string{"At": "a place in the inventory"}),
	ignoring(schema.Rollout{}, map[string]string{
		"At": "a place in the inventory", "Canaries": "resolved to waves", "Batch": "resolved to waves",
		"Order": "resolved to waves", "Hooks": "resolved: each step has its own hooks",
	}),
}

func TestEveryFieldOfAPlanIsSaved(t *testing.T) {
	want := new(Plan)
	new(filler).fill(t, reflect.ValueOf(want).Elem())
	want.Steps[0].Wave = 1
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got := new(Plan)
	if err := json.Unmarshal(text, got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, notSaved); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Whatever list of a plan or an event is empty, it is read again.
func TestEmptyListsAreRead(t *testing.T) {
	eachWithout(t, Plan{}, func(t *testing.T, without string, plan any) {
		text, err := json.Marshal(plan)
		if err != nil {
			t.Fatalf("without %s: %v", without, err)
		}
		// A hook without a command is none.
		err = json.Unmarshal(text, new(Plan))
		if err != nil && strings.Contains(err.Error(), "want a list") && !strings.HasSuffix(without, ".Command") {
			t.Errorf("without %s: %v", without, err)
		}
	})
	for name, codec := range codecs {
		zero, err := codec.decode(json.RawMessage(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		eachWithout(t, zero, func(t *testing.T, without string, event any) {
			text, err := json.Marshal(event)
			if err != nil {
				t.Fatalf("%s without %s: %v", name, without, err)
			}
			if _, err := DecodeEvent(name, text); err != nil {
				t.Errorf("%s without %s: %v", name, without, err)
			}
		})
	}
}

// eachWithout calls f for each list of a type with a pointer to a full value in which that
// list is empty.
func eachWithout(t *testing.T, of any, f func(t *testing.T, without string, value any)) {
	t.Helper()
	for n := 0; ; n++ {
		v := reflect.New(reflect.TypeOf(of))
		new(filler).fill(t, v.Elem())
		left := n
		path, found := empty(v.Elem(), "", &left)
		if !found {
			return
		}
		f(t, path, v.Interface())
	}
}

// empty empties the list of a number, from 0, in a value.
func empty(v reflect.Value, path string, n *int) (string, bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return "", false
		}
		return empty(v.Elem(), path, n)
	case reflect.Slice:
		if *n == 0 {
			v.SetZero()
			return path, true
		}
		*n--
		for i := range v.Len() {
			if at, found := empty(v.Index(i), fmt.Sprintf("%s[%d]", path, i), n); found {
				return at, true
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if !v.Type().Field(i).IsExported() {
				continue
			}
			if at, found := empty(v.Field(i), path+"."+v.Type().Field(i).Name, n); found {
				return at, true
			}
		}
	}
	return "", false
}

func TestEveryFieldOfAnEventIsSaved(t *testing.T) {
	if len(codecs) == 0 {
		t.Fatal("no events")
	}
	for name, codec := range codecs {
		zero, err := codec.decode(json.RawMessage(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		v := reflect.New(reflect.TypeOf(zero)).Elem()
		new(filler).fill(t, v)
		want := v.Interface().(Event)
		if want.Name() != name {
			t.Errorf("%T is called %s and decoded as %s", want, want.Name(), name)
		}
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeEvent(name, text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, notSaved); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// What is called by another name is read no more: journals and plans of earlier
// versions depend on these.
func TestNamesOfEventsStay(t *testing.T) {
	want := []string{"BuildEnded", "BuildPhase", "BuildPrinted", "BuildStarted", "BuilderLost", "BuildsCounted", "Checked", "Found", "HostEnded", "Inspected", "JournalFailed", "NixSaid", "NodeChanged", "PackagesCompared", "Paused", "Progressed", "Said", "StageEnded", "StageStarted", "UndoChosen", "WaveStarted"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(codecs))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAJournalOfANewerMusterIsRefused(t *testing.T) {
	name := filepath.Join(t.TempDir(), "run.jsonl")
	line := fmt.Sprintf(`{"muster_journal":%d,"time":"2026-01-01T00:00:00Z","event":"Plan","data":{"what":"ever"}}`+"\n", journalVersion+1)
	if err := os.WriteFile(name, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := ReadJournal(name)
	if err == nil || !strings.Contains(err.Error(), "of a newer muster") {
		t.Errorf("got %v", err)
	}
}

// Plans and journals of the version before are read: testdata holds what it wrote.
func TestWhatEarlierVersionsWroteIsRead(t *testing.T) {
	text, err := os.ReadFile("testdata/plan_v1.json")
	if err != nil {
		t.Fatal(err)
	}
	plan := new(Plan)
	if err := json.Unmarshal(text, plan); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(savedExample(), plan, planCompare); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	r, err := ReadJournal("testdata/journal_v0.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(savedExample(), r.Plan, planCompare); diff != "" {
		t.Errorf("the journal's plan (-want +got):\n%s", diff)
	}
	if r.Ended || r.Outcomes["a"].Status != Activated || r.Reached["b"].Stage != Activate {
		t.Errorf("journal: %+v", r)
	}
}
