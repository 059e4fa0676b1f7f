package remote

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh/agent"
)

// An AuthError says what stands in the way: too many keys, a second factor, or a server that takes no keys.
func TestWhatAServerWantsBesideKeys(t *testing.T) {
	for _, tt := range []struct {
		name    string
		sshd    []string
		keys    int // of the agent, before the right one
		want    string
		tooMany bool
	}{
		{"too many keys", []string{"MaxAuthTries 3"}, 8, "Too many authentication failures", true},
		{"second factor", []string{"KbdInteractiveAuthentication yes", "AuthenticationMethods publickey,keyboard-interactive:bsdauth publickey,password", "PasswordAuthentication yes"}, 0, "it accepts a key, and wants", false},
		{"passwords alone", []string{"PubkeyAuthentication no", "PasswordAuthentication yes", "PermitRootLogin yes", "KbdInteractiveAuthentication no"}, 0, "it lets users in by password alone", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := startSSHD(t, tt.sshd...)
			lines := []string{}
			if tt.keys > 0 {
				var keys []agent.AddedKey
				for i := range tt.keys {
					name := fmt.Sprintf("other%d", i)
					s.writeKey(t, name)
					keys = append(keys, agent.AddedKey{PrivateKey: rawKey(t, s.path(name))})
				}
				s.write(t, "authorized_keys", authorized(s.writeKey(t, "last")))
				socket, _ := serveAgent(t, append(keys, agent.AddedKey{PrivateKey: rawKey(t, s.path("last"))})...)
				lines = []string{"IdentitiesOnly no", "IdentityAgent " + socket}
			}
			err := dialOnce(t, Config{ConfigFile: s.client(t, lines...)}, Target{Name: "host"})
			var auth *AuthError
			if !errors.As(err, &auth) || !strings.Contains(err.Error(), tt.want) || auth.TooMany != tt.tooMany {
				t.Fatalf("got %+v, want %s\nsshd: %s", err, tt.want, s.log)
			}
			if second := tt.name == "second factor"; auth.SecondFactor != second || auth.NoPublicKeys() != (tt.name == "passwords alone") {
				t.Errorf("got %+v", auth)
			}
		})
	}
}
