package exec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"muster/exec/backoff"
	"muster/exec/host"
	"muster/exec/secret"
	"muster/schema"
)

// A hostKeyWork is the host's own SSH host key, which a secret of the inventory is.
type hostKeyWork struct {
	secret  *schema.Secret
	private []byte
	public  string
	placed  bool // the host has it
}

// readHostKey reads the SSH host key that the inventory has for the host; nil where it has
// none.
func readHostKey(ctx context.Context, j *job) (*hostKeyWork, error) {
	h := j.step.Host
	s := h.HostKeySecret()
	if s == nil {
		return nil, nil
	}
	private, err := j.run.opts.Secrets.Value(ctx, h, s)
	if err != nil {
		return nil, err
	}
	kind, public, err := secret.PublicKey(private)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: secret %s: %w", s.At, s.Name, err)
	case kind != s.HostKey():
		return nil, fmt.Errorf("%s: secret %s: an SSH key of type %s, and its path is %s", s.At, s.Name, kind, s.Path)
	case !h.Local && !hasPin(h, public):
		return nil, fmt.Errorf("%s: secret %s: it is the key %s, which is none of the host's host_keys: the host could not be reached with it", s.At, s.Name, public)
	}
	return &hostKeyWork{secret: s, private: private, public: public, placed: j.seen.Secrets.HasKey(s.Path, public)}, nil
}

// hasPin reports whether a public key is one of those that a host may present.
func hasPin(h *schema.Host, public string) bool {
	return slices.ContainsFunc(h.HostKeys, func(k string) bool { return schema.SameKey(k, public) })
}

// recipient is what secrets are encrypted to when the host has its key: the key itself,
// unless another of the host's comes before it.
func (w *hostKeyWork) recipient(there *host.Secrets) string {
	if len(there.Recipients) == 0 {
		return w.public
	}
	best := there.Recipients[0]
	if best == there.KeyFiles[w.secret.Path] || w.secret.HostKey() == "ed25519" && schema.KeyType(best) != "ssh-ed25519" {
		return w.public
	}
	return best
}

// change says what becomes of the key.
func (w *hostKeyWork) change(there *host.Secrets) SecretChange {
	switch {
	case w.placed:
		return SecretChange{w.secret.Name, "restored"} // and what came after was broken off
	case there.KeyFiles[w.secret.Path] == "":
		return SecretChange{w.secret.Name, "new"}
	}
	return SecretChange{w.secret.Name, "changed"}
}

// placeHostKey makes the SSH host key of the inventory the host's, before its secrets are
// sent:
//
//	what is stored is encrypted to the new key as well as to the former
//	the key is exchanged, and sshd reads it; the connection goes on
//	a new connection shows that the host presents the new key, and no other is accepted
//	from then on
//	what is stored is encrypted to the new key only, and the former key is removed
//
// Wherever that breaks off, the host's key opens its secrets. Where no new connection
// succeeds, the host gets its former key back.
func placeHostKey(ctx context.Context, j *job) error {
	w, there := j.secrets.hostKey, &j.seen.Secrets
	ctx, cancel := j.uninterrupted(ctx, 2*j.run.opts.ActivateTimeout+j.run.opts.ConfirmTimeout)
	defer cancel()
	change := host.HostKeyChange{
		Host: j.conn.ask(), System: j.step.System.Out, Path: w.secret.Path, Private: w.private, Public: w.public,
		Recipients: there.Recipients, Limit: j.run.opts.ActivateTimeout,
	}
	was := w.change(there)
	if !w.placed {
		j.out.changed = true
		if err := change.Place(ctx); err != nil {
			return fmt.Errorf("place the SSH host key: %w", err)
		}
		if err := reachWithKey(ctx, j, w.public); err != nil {
			return returnHostKey(ctx, j, &change, err)
		}
		j.said(Activate)("the host presents its SSH host key " + w.public)
	}
	seen, err := j.conn.ask().Inspect(ctx, host.InspectRequest{Secrets: true, Want: j.step.System.Out})
	if err != nil {
		return err
	}
	j.seen.Secrets = seen.Secrets
	if !seen.Secrets.HasKey(w.secret.Path, w.public) {
		return fmt.Errorf("the SSH host key was sent, and the host does not have it in %s", w.secret.Path)
	}
	change.Host, change.Recipients = j.conn.ask(), seen.Secrets.Recipients[:1]
	if err := change.Settle(ctx); err != nil {
		return fmt.Errorf("encrypt the secrets on the host to its new key: %w", err)
	}
	j.seen.Secrets.FormerKey = false
	if err := compareSecrets(ctx, j); err != nil {
		return err
	}
	j.secrets.tell(was)
	j.out.Secrets = j.secrets.changes
	return nil
}

// reachWithKey connects to the host anew, and accepts no key but the one it was given. The
// connection becomes the job's, and so does the key.
func reachWithKey(ctx context.Context, j *job, public string) error {
	limit := j.run.opts.ConfirmTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no new connection within %v", limit))
	defer cancel()
	pinned := *j.step.Host
	pinned.HostKeys = []string{public}
	wait := backoff.Backoff{First: 50 * time.Millisecond, Max: time.Second}
	for {
		m, err := j.run.opts.Connect(ctx, &pinned)
		if err == nil {
			if !j.conn.over(m).Reachable(ctx, limit) {
				err = errors.New("it takes no command")
				m.Close()
			}
		}
		if err == nil {
			j.step.Host, j.conn.host = &pinned, &pinned
			j.conn.use(m)
			return nil
		}
		if wait.Wait(ctx) != nil {
			return fmt.Errorf("no new connection with the SSH host key of the inventory: %w", err)
		}
	}
}

// returnHostKey gives the host its former key back, and says why.
func returnHostKey(ctx context.Context, j *job, change *host.HostKeyChange, why error) error {
	if err := change.Return(ctx); err != nil {
		return fmt.Errorf("%w; stuck: the host could not be given its former key back: %w", why, err)
	}
	j.out.Status = RolledBack
	return fmt.Errorf("%w; it has its former key back: see that sshd on the host reads %s", why, change.Path)
}
