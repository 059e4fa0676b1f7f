package ondemand

import "testing"

func TestRegexp(t *testing.T) {
	invalid := Regexp("(") // not compiled yet
	digits := Regexp(`^[0-9]+$`)
	if !digits().MatchString("17") || digits() != digits() {
		t.Errorf("%v is not one expression for numbers", digits())
	}
	defer func() {
		if recover() == nil {
			t.Error("an invalid expression was compiled")
		}
	}()
	invalid()
}
