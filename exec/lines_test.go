package exec

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLongLinesAreCutAndCounted(t *testing.T) {
	var got []string
	w := &lineWriter{line: func(line string) { got = append(got, line) }}
	for range 1000 {
		w.Write([]byte(strings.Repeat("x", 10)))
	}
	w.Write([]byte("\r\nshort\r\nlast"))
	w.close()
	want := []string{strings.Repeat("x", maxLine) + " (muster: 5.9 kB of this line left out)", "short", "last"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// An output is cut at its limit, with a note; its end is told when the stage ends.
func TestOutputIsCutWithANote(t *testing.T) {
	var got []string
	o := &output{full: 3 * (lineOverhead + 6), emit: func(line string) { got = append(got, line) }}
	for i := range 100 {
		o.line(fmt.Sprintf("line %d", i))
	}
	o.end()
	o.end()
	o.line("again")
	want := []string{"line 0", "line 1", "line 2", "muster: output left out after 402 B", "muster: 769 B of output left out; its end:"}
	for i := 90; i < 100; i++ {
		want = append(want, fmt.Sprintf("line %d", i))
	}
	if diff := cmp.Diff(append(want, "again"), got); diff != "" {
		t.Error(diff)
	}
}

func TestJSONSizeIsNoLessThanJSON(t *testing.T) {
	for _, text := range []string{"", "plain", "\x00\x1b[1m<&>\"\\\t", "\xff\xfe", "äß€😀\u2028", string(slices.Repeat([]byte{0x80}, 100))} {
		b, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, least := jsonSize(text), int64(len(b)-2); got < least {
			t.Errorf("%q: %d, JSON takes %d", text, got, least)
		}
	}
}

func TestLongErrorsAreClipped(t *testing.T) {
	why := errors.New(strings.Repeat("y", 1<<20))
	err := clipped(fmt.Errorf("activate: %w", why))
	if len(err.Error()) > maxText+100 || !errors.Is(err, why) {
		t.Errorf("%d bytes; %v", len(err.Error()), errors.Is(err, why))
	}
	if short := errors.New("short"); clipped(short) != short {
		t.Error("a short error is replaced")
	}
}
