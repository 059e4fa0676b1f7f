package cmd

import (
	"net/url"
	"testing"

	"muster/schema"
)

// A store's URL says the port, the user, or neither; a port that is none is refused.
func TestStoreHost(t *testing.T) {
	fleet := &schema.Fleet{Hosts: []*schema.Host{{Name: "cache", Address: "192.0.2.1", Port: 2222, User: "ops", Privilege: schema.Sudo}}}
	for _, tt := range []struct {
		url, user string
		port      int
		privilege schema.Privilege
		wrong     bool
	}{
		{url: "ssh://cache/srv", user: "ops", port: 2222, privilege: schema.Sudo},
		{url: "ssh://me@cache:23/srv", user: "me", port: 23, privilege: schema.Root},
		{url: "ssh://me@other:23/srv", user: "me", port: 23, privilege: schema.Root},
		{url: "ssh://cache:0/srv", wrong: true},
		{url: "ssh://other:65536/srv", wrong: true},
	} {
		u, err := url.Parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		h, err := storeHost(t.Context(), streams{}, fleet, u)
		switch {
		case tt.wrong:
			if err == nil {
				t.Errorf("%s: got port %d, want an error", tt.url, h.Port)
			}
		case err != nil:
			t.Errorf("%s: %v", tt.url, err)
		case h.User != tt.user || h.Port != tt.port || h.Privilege != tt.privilege:
			t.Errorf("%s: got %s, port %d, %s", tt.url, h.User, h.Port, h.Privilege)
		}
	}
}
