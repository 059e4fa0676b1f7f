package exec

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"muster/exec/host"
	"muster/schema"
)

var (
	mutations    = flag.Int("mutations", 400, "change a plan and a journal in `n` ways each, one after the other")
	mutationSeed = flag.Uint64("mutation-seed", 1, "the `seed` of these changes")
)

// A mutation changes the text of a file.
type mutation struct {
	name   string
	change func(r *rand.Rand, text []byte) []byte
	// mended says that the checksums around the change are made right again: what is then read is what the text says.
	mended bool
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// rawMutations know nothing of what a text means.
var rawMutations = []mutation{
	{name: "a bit", change: func(r *rand.Rand, x []byte) []byte {
		x[r.IntN(len(x))] ^= 1 << r.IntN(8)
		return x
	}},
	{name: "a cut", change: func(r *rand.Rand, x []byte) []byte { return x[:r.IntN(len(x))] }},
	{name: "a part removed", change: func(r *rand.Rand, x []byte) []byte {
		from := r.IntN(len(x))
		return slices.Delete(x, from, min(len(x), from+1+r.IntN(50)))
	}},
	{name: "parts swapped", change: func(r *rand.Rand, x []byte) []byte {
		n := 1 + r.IntN(len(x)/4)
		i := r.IntN(len(x) - 2*n)
		j := i + n + r.IntN(len(x)-2*n-i)
		return slices.Concat(x[:i], x[j:j+n], x[i+n:j], x[i:i+n], x[j+n:])
	}},
	{name: "bytes inserted", change: func(r *rand.Rand, x []byte) []byte {
		more := make([]byte, 1+r.IntN(200))
		for i := range more {
			more[i] = byte(r.IntN(256))
		}
		return slices.Insert(x, r.IntN(len(x)), more...)
	}},
	{name: "a line", change: func(r *rand.Rand, x []byte) []byte {
		lines := slices.Collect(bytes.Lines(x))
		i, j := r.IntN(len(lines)), r.IntN(len(lines))
		switch r.IntN(3) {
		case 0:
			lines[i], lines[j] = lines[j], lines[i]
		case 1:
			lines = slices.Delete(lines, i, i+1)
		case 2:
			lines = slices.Insert(lines, i, lines[j])
		}
		return bytes.Join(lines, nil)
	}},
	{name: "much more", change: func(r *rand.Rand, x []byte) []byte {
		filler := pick(r, []string{"\x00", " ", "[", "{", "{},", "9", "\n", "x", `"`})
		return slices.Insert(x, r.IntN(len(x)), bytes.Repeat([]byte(filler), 1<<(10+r.IntN(11)))...)
	}},
}

// changeValue changes one value somewhere in decoded JSON, or a field of an object.
func changeValue(r *rand.Rand, v any) any {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			return strange(r)
		}
		key := pick(r, slices.Sorted(maps.Keys(v)))
		switch r.IntN(8) {
		case 0:
			delete(v, key)
		case 1:
			v[pick(r, []string{key + "x", strings.ToUpper(key), "evil", "", "\x1b[2J"})] = v[key]
			delete(v, key)
		case 2:
			v[pick(r, []string{"evil", "hooks", "Host", "\u202e"})] = strange(r)
		case 3:
			v[key] = strange(r)
		default:
			v[key] = changeValue(r, v[key])
		}
		return v
	case []any:
		if len(v) == 0 || r.IntN(6) == 0 {
			return strange(r)
		}
		i, j := r.IntN(len(v)), r.IntN(len(v))
		switch r.IntN(6) {
		case 0:
			return slices.Delete(v, i, i+1)
		case 1:
			return slices.Insert(v, i, v[j])
		case 2:
			v[i], v[j] = v[j], v[i]
		default:
			v[i] = changeValue(r, v[i])
		}
		return v
	}
	return strange(r)
}

// strange is a value that few fields take.
func strange(r *rand.Rand) any {
	return pick(r, []any{
		nil, true, false, "", "x", "\x1b[2J\u202e", "../../etc/passwd", "/nix/store/x", "-oProxyCommand=x", strings.Repeat("x", 5000),
		json.Number("0"), json.Number("-1"), json.Number("1e999"), json.Number("1.5"), json.Number("9223372036854775807"), json.Number("-9223372036854775808"),
		json.Number(strings.Repeat("9", 400)), json.Number("65536"), []any{}, map[string]any{}, []any{nil}, map[string]any{"a": map[string]any{}},
		json.RawMessage(strings.Repeat("[", 200) + strings.Repeat("]", 200)), json.RawMessage(`{"a":1,"a":2}`), "dance", "9999-12-31T23:59:59Z", "0000-00-00",
	})
}

// jsonMutation changes the meaning of a JSON text, or how it is written.
func jsonMutation(r *rand.Rand, text []byte) []byte {
	if r.IntN(10) == 0 { // a key twice
		at := bytes.IndexByte(text[r.IntN(len(text)/2):], '{')
		if end := bytes.IndexByte(text[at+1:], ','); at >= 0 && end > 0 {
			return slices.Insert(text, at+1, text[at+1:at+1+end+1]...)
		}
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		panic(err)
	}
	changed, err := json.Marshal(changeValue(r, v))
	if err != nil {
		panic(err)
	}
	return changed
}

// plain is a JSON value without what is left out when it is saved: empty values.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if value = plain(value); value == nil {
				delete(v, key)
			} else {
				v[key] = value
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
		if len(v) == 0 {
			return nil
		}
	case string:
		if at, err := time.Parse(time.RFC3339, v); err == nil {
			return at.UTC().Format(time.RFC3339Nano)
		}
		if v == "" {
			return nil
		}
	case json.Number:
		if n, err := v.Int64(); err == nil && n == 0 {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	}
	return v
}

func plainOf(t *testing.T, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %.200s", err, text)
	}
	return plain(v)
}

// mutateFile writes the file in one of the ways that are no fault of its text, or makes it something else. It reports
// whether the file may be taken.
func mutateFile(r *rand.Rand, name string, text []byte) (what string, mayBeTaken bool) {
	os.RemoveAll(name)
	write := func() {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			panic(err)
		}
	}
	other := name + ".other"
	switch r.IntN(12) {
	case 0:
		os.Symlink(pick(r, []string{"/dev/zero", name, "/nonexistent", "/dev/stdin"}), name)
		return "a link", false
	case 1:
		os.WriteFile(other, text, 0o600)
		os.Symlink(other, name)
		return "a link to a whole file", false
	case 2:
		syscall.Mkfifo(name, 0o600)
		return "a fifo", false
	case 3:
		os.Mkdir(name, 0o700)
		return "a directory", false
	case 4:
		write()
		os.Truncate(name, 4400<<20)
		return "4.4 GB", false
	case 5:
		write()
		os.Truncate(name, int64(len(text))+(200<<20))
		return "200 MB of zeros behind", true
	case 6:
		write()
		os.Chmod(name, pick(r, []os.FileMode{0o666, 0o620, 0o602, 0o777}))
		return "others may write", false
	case 7:
		write()
		if os.Chown(name, 65534, -1) != nil {
			return "", true
		}
		return "another user's", false
	case 8:
		return "not there", false
	case 9:
		os.WriteFile(name, nil, 0o600)
		return "empty", false
	case 10:
		write()
		os.Chmod(filepath.Dir(name), 0o777)
		return "a directory that others may write to", false
	}
	write()
	os.Chmod(name, pick(r, []os.FileMode{0o644, 0o400, 0o600}))
	return "", true
}

// An attack is what mutations are tried on.
type attack struct {
	file  string
	text  []byte
	kinds []mutation
	read  func(name string) (any, error)
	// harmless says what is wrong with what was read from a text, "" for nothing.
	harmless func(t *testing.T, m mutation, text []byte, read any) string
}

func (a *attack) run(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	refused, all := map[string]int{}, map[string]int{}
	for i := range *mutations {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, a.file)
		r := rand.New(rand.NewPCG(*mutationSeed, uint64(i)))
		m, text, fine := mutation{name: "the file"}, a.text, true
		if i%len(a.kinds) == 0 {
			var kind string
			if kind, fine = mutateFile(r, name, a.text); kind != "" {
				m.name += ": " + kind
			}
		} else {
			m = a.kinds[i%len(a.kinds)]
			text = m.change(r, slices.Clone(a.text))
			if err := os.WriteFile(name, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		what := fmt.Sprintf("mutation %d (seed %d): %s", i, *mutationSeed, m.name)
		all[m.name]++
		began := time.Now()
		read, err := a.read(name)
		if took := time.Since(began); took > 2*time.Minute {
			t.Errorf("%s: it took %v", what, took)
		}
		switch {
		case err != nil:
			refused[m.name]++
			checkMessage(t, what, name, err)
		case !fine:
			t.Errorf("%s: taken", what)
		default:
			if wrong := a.harmless(t, m, text, read); wrong != "" {
				t.Errorf("%s: %s\n%.3000s", what, wrong, text)
			}
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Logf("%s: %d of %d refused", name, refused[name], all[name])
	}
	// Beside other tests, or with the race detector, the process takes more for those.
	alone := *mutations > 400 && !RaceDetected
	if peak := peakMemory(t); alone && peak > 300<<20 {
		t.Errorf("%d MB of memory", peak>>20)
	} else {
		t.Logf("%d MB of memory at most", peak>>20)
	}
}

// checkMessage wants the file and a reason, and nothing that a terminal obeys.
func checkMessage(t *testing.T, what, name string, err error) {
	t.Helper()
	text := err.Error()
	if !strings.Contains(text, name) || len(text) < len(name)+10 || len(text) > 1000+2*len(name) {
		t.Errorf("%s: a message of %d bytes: %.300s", what, len(text), text)
	}
	if at := strings.IndexFunc(text, func(c rune) bool { return !unicode.IsPrint(c) }); at >= 0 {
		t.Errorf("%s: not for a terminal: %q", what, text)
	}
}

// peakMemory is the most memory that this process has had.
func peakMemory(t *testing.T) (bytes int64) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			fmt.Sscan(value, &bytes)
		}
	}
	return bytes << 10
}

// attacked is a plan with something in each field that matters.
func attacked() *Plan {
	p := savedExample()
	p.Keep = Keep{Last: 3, Newer: time.Hour}
	p.Command = []string{"a", "b"}
	p.Steps[0].Baseline = &Baseline{Run: "20260101-000000-aaaa", State: host.State{Current: oldSystem, Generation: host.Generation{Number: 1, System: oldSystem}}, DeployedBy: "20250101-000000-aaaa"}
	p.Steps[1].Hooks = []schema.Hook{{After: "copy", Command: []string{"sh", "-c", "true"}, OnHost: true, Timeout: time.Minute}}
	p.Steps[1].Host.HostKeys = []string{"ssh-ed25519 AAAA"}
	return p
}

// mendPlan gives a plan the checksum that belongs to it.
func mendPlan(t *testing.T, text []byte) []byte {
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil {
		return text
	}
	delete(fields, "sha256")
	var b bytes.Buffer
	bare, err := json.Marshal(fields)
	if err != nil || json.Compact(&b, bare) != nil {
		t.Fatal(err)
	}
	return withSum(b.Bytes())
}

// Each change of a plan is refused, with a message that names the file and the reason, or is no change of what it says.
func TestMutationsOfPlansAreRefusedOrHarmless(t *testing.T) {
	text, err := json.MarshalIndent(attacked(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	whole := plainOf(t, text)
	kinds := slices.Concat([]mutation{{}}, rawMutations, []mutation{
		{name: "JSON", change: jsonMutation},
		{name: "JSON, checksum mended", mended: true, change: func(r *rand.Rand, x []byte) []byte { return mendPlan(t, jsonMutation(r, x)) }},
		{name: "JSON, checksum mended, again", mended: true, change: func(r *rand.Rand, x []byte) []byte { return mendPlan(t, jsonMutation(r, x)) }},
	})
	a := attack{file: "fleet.plan", text: text, kinds: kinds, read: func(name string) (any, error) { return ReadPlan(name) }}
	a.harmless = func(t *testing.T, m mutation, text []byte, read any) string {
		again, err := json.Marshal(read)
		if err != nil {
			return err.Error()
		}
		want := whole
		if m.mended {
			want = plainOf(t, text)
			delete(want.(map[string]any), "sha256")
		}
		got := plainOf(t, again)
		if m.mended {
			delete(got.(map[string]any), "sha256")
		}
		return cmp.Diff(want, got)
	}
	a.run(t)
}

// Each change of a journal is refused, or what is read is what an earlier moment of the run had left.
func TestMutationsOfJournalsAreRefusedOrHarmless(t *testing.T) {
	text, name := attackedJournal(t)
	lines := slices.Collect(bytes.Lines(text))
	// What each beginning of the journal says.
	var moments []string
	for n := range lines {
		moments = append(moments, said(readText(t, name, bytes.Join(lines[:n+1], nil))))
	}
	kinds := slices.Concat([]mutation{{}}, rawMutations, []mutation{
		{name: "JSON", change: func(r *rand.Rand, x []byte) []byte { return changeLine(r, x, jsonMutation) }},
		{name: "JSON, checksums mended", mended: true, change: func(r *rand.Rand, x []byte) []byte {
			return mendJournal(changeLine(r, x, jsonMutation))
		}},
		{name: "data, checksums mended", mended: true, change: func(r *rand.Rand, x []byte) []byte {
			return mendJournal(changeLine(r, x, func(r *rand.Rand, line []byte) []byte { return changeData(t, r, line) }))
		}},
		{name: "a line, checksums mended", mended: true, change: func(r *rand.Rand, x []byte) []byte {
			return mendJournal(rawMutations[5].change(r, x))
		}},
		{name: "a bit, checksums mended", mended: true, change: func(r *rand.Rand, x []byte) []byte {
			return mendJournal(rawMutations[0].change(r, x))
		}},
	})
	a := attack{file: filepath.Base(name), text: text, kinds: kinds, read: func(name string) (any, error) { return ReadJournal(name) }}
	a.harmless = func(t *testing.T, m mutation, text []byte, read any) string {
		r := read.(*Record)
		if !m.mended {
			if !slices.Contains(moments, said(r)) {
				return "it says what the run has never said: " + said(r)
			}
			return ""
		}
		// The checksums are right, so this is what the run has written.
		var first struct{ Data json.RawMessage }
		if err := json.Unmarshal(slices.Collect(bytes.Lines(text))[0], &first); err != nil {
			return err.Error()
		}
		again, err := json.Marshal(r.Plan)
		if err != nil {
			return err.Error()
		}
		want, got := plainOf(t, first.Data).(map[string]any), plainOf(t, again).(map[string]any)
		for _, m := range []map[string]any{want, got} {
			delete(m, "sha256")
			delete(m, "undo")
		}
		return cmp.Diff(want, got)
	}
	a.run(t)
}

// attackedJournal is a journal with an event of each kind.
func attackedJournal(t *testing.T) (text []byte, name string) {
	dir := filepath.Join(t.TempDir(), "runs")
	j, err := CreateJournal(dir, attacked())
	if err != nil {
		t.Fatal(err)
	}
	sink := j.Sink(func(Event) {})
	sink(StageStarted{Host: "a", Stage: ConnectTo})
	sink(Inspected{Host: "a", State: host.State{Current: oldSystem}, DeployedBy: "20250101-000000-aaaa"})
	sink(Found{Host: "a", Finding: Finding{Check: "clock", Text: "late"}})
	sink(Said{Host: "a", Stage: Activate, Line: "starting"})
	sink(StageEnded{Host: "a", Stage: Activate, Took: time.Second})
	sink(HostEnded{Outcome: Outcome{Host: "a", Status: Activated, Before: host.State{Current: oldSystem}, System: newSystem, Took: time.Minute}})
	sink(StageStarted{Host: "b", Stage: Activate})
	sink(UndoChosen{Run: "20250101-000000-aaaa", Hosts: 2})
	sink(WaveStarted{Wave: 1, Of: 2, Hosts: 3})
	sink(HostEnded{Outcome: Outcome{Host: "b", Status: Failed, Stage: Health, Error: "it is ill", Interrupted: true}})
	j.End(ExitPartly)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := Journals(dir)
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	if text, err = os.ReadFile(names[0]); err != nil {
		t.Fatal(err)
	}
	return text, names[0]
}

func readText(t *testing.T, name string, text []byte) *Record {
	t.Helper()
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := ReadJournal(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// said is all that a record says that a run is gone on with by.
func said(r *Record) string {
	text, err := json.Marshal([]any{r.Plan, r.Began, r.Outcomes, r.Reached, r.Ended, r.Status, r.baselines})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// changeLine changes one line of a text.
func changeLine(r *rand.Rand, text []byte, change func(*rand.Rand, []byte) []byte) []byte {
	lines := slices.Collect(bytes.Lines(text))
	i := r.IntN(len(lines))
	lines[i] = append(change(r, bytes.TrimSuffix(slices.Clone(lines[i]), []byte{'\n'})), '\n')
	return bytes.Join(lines, nil)
}

// changeData changes the data of a line, and keeps its fields in order. The plan gets the right checksum.
func changeData(t *testing.T, r *rand.Rand, line []byte) []byte {
	from := bytes.Index(line, []byte(`"data":`)) + len(`"data":`)
	to := bytes.LastIndex(line, []byte(`,"sum":`))
	data := jsonMutation(r, slices.Clone(line[from:to]))
	if bytes.Contains(line[:from], []byte(`"Plan"`)) {
		data = mendPlan(t, data)
	}
	return slices.Concat(line[:from], data, line[to:])
}

// mendJournal gives each line that has a checksum the right one.
func mendJournal(text []byte) []byte {
	var sums chain
	var out []byte
	for line := range bytes.Lines(text) {
		at := bytes.LastIndex(line, []byte(`,"sum":"`))
		if at < 0 {
			out = append(out, line...)
			continue
		}
		plain := append(slices.Clone(line[:at]), '}')
		out = fmt.Appendf(out, `%s,"sum":%s}`+"\n", line[:at], strconv.Quote(sums.next(plain)))
	}
	return out
}
