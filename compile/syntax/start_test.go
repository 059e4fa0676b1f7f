package syntax

import "testing"

func TestTextInsideAnotherFile(t *testing.T) {
	file := "hosts.cue"
	f, err := ParseFile("", []byte("a +\n  b"), Options{Start: NewPos(&file, 12, 9)})
	if err != nil {
		t.Fatal(err)
	}
	sum := f.Expr.(*Binary)
	for _, tt := range []struct {
		what string
		got  Pos
		want string
	}{
		{"first line", sum.X.Pos(), "hosts.cue:12:9"},
		{"second line", sum.Y.Pos(), "hosts.cue:13:3"},
	} {
		if tt.got.String() != tt.want {
			t.Errorf("%s: %v, want %s", tt.what, tt.got, tt.want)
		}
	}
	_, err = ParseFile("", []byte("a +"), Options{Start: NewPos(&file, 12, 9)})
	if want := "hosts.cue:12:12: syntax error, unexpected end of file"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
