package human

import "testing"

func TestReason(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", ""},
		{"connection refused", "connection refused"},
		{" exit status 1\nmore\n", "exit status 1"},
		{"as.nix:2:45: Failed assertions:\n- set services.x.enable\nto true.\n- the second\n\n* the third", "as.nix:2:45: Failed assertions: set services.x.enable to true. (and 2 more)"},
		{"Failed assertions:\n\n- only one\n", "Failed assertions: only one"},
		{"the host says:\n  no space left\n  again", "the host says: no space left"},
		{"nothing follows:", "nothing follows:"},
	} {
		if got := Reason(test.text); got != test.want {
			t.Errorf("Reason(%q): got %q, want %q", test.text, got, test.want)
		}
	}
}
