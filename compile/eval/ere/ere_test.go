package ere_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/eval/ere"
)

func ExamplePattern_Match() {
	p, err := ere.Compile("([a-z]+)-([0-9.]+)")
	if err != nil {
		fmt.Println(err)
		return
	}
	text := "hello-2.12.1"
	g, err := p.Match(text, free{})
	fmt.Println(text[g[2]:g[3]], text[g[4]:g[5]], err)
	// Output: hello 2.12.1 <nil>
}

// TestMatch holds matches that tell std::regex from other implementations.
func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          []int
	}{
		{"", "", []int{0, 0}},
		{"a", "b", nil},
		{"a|ab", "ab", []int{0, 2}},
		{"(a|ab)(c|bcd)", "abcd", []int{0, 4, 0, 1, 1, 4}},
		{"(a*)*", "aa", []int{0, 2, 2, 2}},
		{"(a)|b", "b", []int{0, 1, -1, -1}},
		{"x{2,3}", "xxx", []int{0, 3}},
		{"x{2,3}", "xxxx", nil},
		{`[[:digit:]]+\.[^]x]`, "12.y", []int{0, 4}},
		{`[\]+`, `\\`, []int{0, 2}},
		{"^a$", "a", []int{0, 1}},
		{"[[.-.]-9]", "0", []int{0, 1}},
	} {
		t.Run(c.pattern+" "+c.text, func(t *testing.T) {
			p, err := ere.Compile(c.pattern)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Match(c.text, free{})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestSearch(t *testing.T) {
	p, err := ere.Compile("b*")
	if err != nil {
		t.Fatal(err)
	}
	for from, want := range [][]int{{0, 0}, {1, 3}, {2, 3}, {3, 3}} {
		got, err := p.Search("abb", from, free{})
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("from %d: %v (-want +got):\n%s", from, err, d)
		}
	}
	if got, err := p.SearchAt("abb", 0, free{}); got != nil || err != nil {
		t.Errorf("SearchAt 0: got %v, %v, want no match", got, err)
	}
}

func TestCompileErrors(t *testing.T) {
	for _, pattern := range []string{"(", ")", "a)", "[", "[[:digit:]", "[[:none:]]", "*", "a{", "a{2,1}", `\`, `\d`, "[b-a]", strings.Repeat("(", 2000)} {
		if _, err := ere.Compile(pattern); err == nil {
			t.Errorf("%q compiles", pattern)
		}
	}
	if _, err := ere.Compile("(a{1000}){1000}"); !errors.Is(err, ere.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}

// TestSpendMayPanic shows how a caller ends a match that takes too long.
func TestSpendMayPanic(t *testing.T) {
	p, err := ere.Compile("(x+x+)+y")
	if err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	defer func() {
		if r := recover(); r != enough {
			t.Errorf("got %v, want %v", r, enough)
		}
	}()
	_, err = p.Match(strings.Repeat("x", 10_000), &budget{steps: 100_000, why: enough})
	t.Errorf("it ended with %v", err)
}

// A budget is a Meter that panics after some steps.
type budget struct {
	free
	steps int
	why   error
}

func (b *budget) Spend(n int) {
	if b.steps -= n; b.steps < 0 {
		panic(b.why)
	}
}

// free is a Meter that allows everything.
type free struct{}

func (free) Spend(int)   {}
func (free) Reserve(int) {}
