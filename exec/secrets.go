package exec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/exec/host"
	"muster/exec/secret"
	"muster/schema"
)

// How secrets reach a host:
//
//	inspect    the host says by MACs what it has; the secrets of the inventory are read and
//	           compared
//	host key   where the inventory has the host's own SSH host key, the host gets it
//	           (hostkey.go)
//	secrets    what is new is encrypted to the host and stored there for the system that
//	           is deployed, in one step; what runs does not see it yet
//	activate   the new system brings its secrets into memory before its units start
//	           (compile/secrets.sh); a host whose system stays gets them without an
//	           activation, and the units that asked for it are restarted
//	confirm    what only the way back needed is removed
//
// A host that goes back activates its old system, whose secrets are still stored.

// SecretSource reads the contents of secrets.
type SecretSource interface {
	Value(ctx context.Context, h *schema.Host, s *schema.Secret) ([]byte, error)
}

// A SecretChange is what becomes of one secret on a host.
type SecretChange struct {
	Name   string `json:"name"`
	Change string `json:"change"` // new, changed, removed, restored: stored and not in its place; unread
}

// secretWork is what is to be done about the secrets of a host.
type secretWork struct {
	store   host.SecretStore
	to      string            // the SSH host key that they are encrypted to
	content map[string][]byte // of those that are sent
	changes []SecretChange
	applied bool         // without an activation, and not for good yet
	hostKey *hostKeyWork // nil where the inventory has none for the host
	moving  bool         // the host key is to be placed, or that has not come to its end
}

// keyChanges reports whether the host gets another SSH host key.
func (w *secretWork) keyChanges() bool { return w.moving }

// tell adds a change.
func (w *secretWork) tell(c SecretChange) {
	w.changes = append(w.changes, c)
	slices.SortFunc(w.changes, func(a, b SecretChange) int { return strings.Compare(a.Name, b.Name) })
}

// changed reports whether anything is to be done.
func (w *secretWork) changed() bool { return len(w.changes) > 0 }

// takesSecrets reports whether an action is about the secrets of its hosts.
func (a Action) takesSecrets() bool {
	switch a {
	case Switch, Boot, Test, Preview, Look, PushSecrets, Install:
		return true
	}
	return false
}

// compareSecrets finds out what of the host's secrets is to be sent.
func compareSecrets(ctx context.Context, j *job) error {
	j.secrets = secretWork{}
	if j.action() == PushSecrets {
		if err := mayPush(j); err != nil {
			return err
		}
	}
	h, there := j.step.Host, &j.seen.Secrets
	if !j.action().takesSecrets() || len(h.AllSecrets) == 0 && !there.Has() || j.action() == Look && j.run.opts.Secrets == nil {
		return nil
	}
	w := &j.secrets
	if err := compareHostKey(ctx, j); err != nil {
		return err
	}
	if err := w.encryptTo(h, there); err != nil {
		return err
	}
	key, known := secret.ParseKey(there.Kept.Key)
	if !known {
		key = secret.NewKey()
	}
	w.store = host.SecretStore{Key: key.String(), Before: *there}
	w.content = map[string][]byte{}
	named := map[string]bool{}
	for _, s := range h.AllSecrets {
		named[s.Name] = true
		if s.HostKey() != "" {
			continue
		}
		if err := compareSecret(ctx, j, s, key); err != nil {
			return err
		}
	}
	for _, set := range []*host.SecretSet{&there.Kept, &there.Volatile} {
		for name := range set.MACs {
			if !named[name] {
				named[name] = true
				w.changes = append(w.changes, SecretChange{name, "removed"})
			}
		}
	}
	slices.SortFunc(w.changes, func(a, b SecretChange) int { return strings.Compare(a.Name, b.Name) })
	j.out.Secrets = w.changes
	return nil
}

// mayPush fails where secrets cannot be sent without an activation. They are of the system
// that the host runs.
func mayPush(j *job) error {
	if j.hasGuard() || j.seen.Facts.Activation != "" {
		return errors.New("an activation on the host waits for its confirmation: send secrets when it has ended")
	}
	if j.step.System.Out = j.out.Before.Current; j.step.System.Out == "" {
		return errors.New("the host runs no system of NixOS, which would bring secrets into memory: send them with muster deploy")
	}
	return nil
}

// encryptTo finds the key of a host that its secrets are encrypted to.
func (w *secretWork) encryptTo(h *schema.Host, there *host.Secrets) error {
	switch {
	case w.hostKey != nil:
		w.to = w.hostKey.recipient(there)
	case len(there.Recipients) > 0:
		w.to = there.Recipients[0]
	case len(h.AllSecrets) > 0:
		return errors.New("secrets: the host has no SSH key of type ed25519 or rsa that they could be encrypted to: its sshd names none, and there is none in /etc/ssh; name the path of one in /etc/muster/identities on the host and in muster.secretIdentities of its configuration")
	}
	return nil
}

// compareSecret finds out whether one secret is to be sent. A host that is only looked at
// needs no secret to be readable here.
func compareSecret(ctx context.Context, j *job, s *schema.Secret, key secret.Key) error {
	w, there := &j.secrets, &j.seen.Secrets
	if j.run.opts.Secrets == nil {
		return errors.New("secrets: nothing reads them here")
	}
	change := func(how string) { w.changes = append(w.changes, SecretChange{s.Name, how}) }
	gone := slices.Contains(there.Gone, s.Name)
	content, err := j.run.opts.Secrets.Value(ctx, j.step.Host, s)
	if err != nil && j.action() == Look && ctx.Err() == nil {
		// What is in its place is seen all the same.
		j.note(Finding{Check: "secrets", Text: "not compared: " + err.Error()})
		if gone || there.Kept.MACs[s.Name] == "" && there.Volatile.MACs[s.Name] == "" {
			change("missing")
		}
		return nil
	}
	if err != nil {
		return err
	}
	set := &there.Kept
	if s.Volatile {
		set = &there.Volatile
	}
	f := host.SecretFile{Name: s.Name, MAC: key.MAC(content, w.to, s.Keep), Keep: s.Keep, Volatile: s.Volatile}
	switch was, has := set.MACs[s.Name]; {
	case has && was == f.MAC:
		if gone {
			w.content[s.Name] = content // what is stored may be damaged
		}
		if gone || there.Pending {
			change("restored")
		}
	case has:
		w.content[s.Name] = content
		change("changed")
	default:
		w.content[s.Name] = content
		change("new")
	}
	w.store.Files = append(w.store.Files, f)
	return nil
}

// compareHostKey finds out whether the host has the SSH host key of the inventory.
func compareHostKey(ctx context.Context, j *job) error {
	w, there := &j.secrets, &j.seen.Secrets
	if j.step.Host.HostKeySecret() == nil || j.run.opts.Secrets == nil {
		return nil
	}
	key, err := readHostKey(ctx, j)
	if err != nil && j.action() == Look && ctx.Err() == nil {
		j.note(Finding{Check: "secrets", Text: "not compared: " + err.Error()})
		return nil
	}
	if err != nil {
		return err
	}
	w.hostKey, w.moving = key, !key.placed || there.FormerKey
	if w.moving {
		w.changes = append(w.changes, key.change(there))
	}
	return nil
}

// sendSecrets stores what is new on the host. The stage is left out where nothing is.
func sendSecrets(ctx context.Context, j *job) error {
	w := &j.secrets
	to, err := secret.ParseRecipient(w.to)
	if err != nil && len(w.content) > 0 {
		return fmt.Errorf("encrypt to the host: %w", err)
	}
	for i := range w.store.Files {
		f := &w.store.Files[i]
		if content, ok := w.content[f.Name]; ok {
			if f.Content, err = secret.Seal(content, to); err != nil {
				return fmt.Errorf("encrypt secret %s to the host: %w", f.Name, err)
			}
		}
	}
	w.content = nil
	w.store.System = j.step.System.Out
	limit := j.run.opts.AnswerTimeout + time.Duration(len(w.store.Files))*time.Second
	return j.conn.ask().StoreSecrets(ctx, w.store, limit)
}

// applySecrets brings changed secrets to a host whose system stays. Where that fails it
// gets back those it had.
func applySecrets(ctx context.Context, j *job) error {
	ctx, cancel := j.uninterrupted(ctx, 2*j.activateTimeout())
	defer cancel()
	j.out.changed = true
	done, err := j.conn.ask().ApplySecrets(ctx, j.step.System.Out, nil, j.activateTimeout())
	tellApplied(j, done)
	if err == nil && len(done.Failed) > 0 {
		err = fmt.Errorf("with its secrets, %s does not run", strings.Join(done.Failed, ", "))
	}
	if err != nil {
		return returnSecrets(ctx, j, err)
	}
	j.secrets.applied = true
	j.out.Status, j.out.After = Activated, j.out.Before.Generation
	return nil
}

func tellApplied(j *job, a host.Applied) {
	say := j.said(Activate)
	for _, unit := range a.Restarted {
		say("restarted " + unit)
	}
	for _, unit := range a.Reloaded {
		say("reloaded " + unit)
	}
}

// returnSecrets gives a host back the secrets it had, and says why.
func returnSecrets(ctx context.Context, j *job, why error) error {
	j.secrets.applied = false
	ctx, cancel := j.uninterrupted(ctx, j.run.opts.RevertTimeout)
	defer cancel()
	done, err := j.conn.ask().ApplySecrets(ctx, j.step.System.Out, &j.secrets.store.Before, j.run.opts.RevertTimeout)
	tellApplied(j, done)
	switch {
	case err != nil:
		return fmt.Errorf("%w; stuck: the host could not be given back the secrets it had: %w", why, err)
	case len(done.Failed) > 0:
		return fmt.Errorf("%w; stuck: it has back the secrets it had, and %s does not run", why, strings.Join(done.Failed, ", "))
	}
	j.out.Status = RolledBack
	return fmt.Errorf("%w; it has back the secrets it had", why)
}

// settleSecrets makes secrets that were brought without an activation the host's for
// good, and looks whether it has them.
func settleSecrets(ctx context.Context, j *job) error {
	j.secrets.applied = false
	ctx, cancel := j.uninterrupted(ctx, j.run.opts.AnswerTimeout)
	defer cancel()
	if err := j.conn.ask().SettleSecrets(ctx, j.step.System.Out); err != nil {
		return err
	}
	in, err := j.conn.ask().Inspect(ctx, host.InspectRequest{Secrets: true, Want: j.step.System.Out})
	if err != nil {
		return err
	}
	for _, f := range j.secrets.store.Files {
		set := in.Secrets.Kept
		if f.Volatile {
			set = in.Secrets.Volatile
		}
		if set.MACs[f.Name] != f.MAC || slices.Contains(in.Secrets.Gone, f.Name) {
			return fmt.Errorf("secret %s was sent, and the host does not have it", f.Name)
		}
	}
	return nil
}
