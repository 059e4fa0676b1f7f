package remote

import "context"

// User returns the name that a connection to a machine logs in with: that of the
// target, else that of the ssh configuration, else the target's default. It connects to
// nothing.
func (d *Dialer) User(ctx context.Context, t Target) (string, error) {
	s, err := d.settings(ctx, d.Query(t))
	if err != nil {
		return "", err
	}
	return s.User, nil
}
