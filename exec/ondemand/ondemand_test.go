package ondemand

import "testing"

func TestRegexp(t *testing.T) {
	invalid := Regexp("(") // not compiled yet
	digits := Regexp(`^[0-9]+$`)
	first := digits()
	if !first.MatchString("17") || digits() != first {
		t.Errorf("%v is not one expression for numbers", first)
	}
	defer func() {
		if recover() == nil {
			t.Error("an invalid expression was compiled")
		}
	}()
	invalid()
}
