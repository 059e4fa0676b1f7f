package remote

import (
	"cmp"
	"context"

	"muster/exec/remote/sshconfig"
)

// User returns the name that a connection to a machine logs in with: that of the
// target, else that of the ssh configuration, else root. It connects to nothing.
func (d *Dialer) User(ctx context.Context, t Target) (string, error) {
	s, err := d.settings(ctx, sshconfig.Query{Host: cmp.Or(t.Address, t.Name), Port: t.Port, User: t.User, DefaultUser: "root"})
	if err != nil {
		return "", err
	}
	return s.User, nil
}
