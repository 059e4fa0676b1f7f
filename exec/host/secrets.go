package host

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"muster/compile/store"
	"muster/exec/human"
)

// Secrets are what a host has of secrets, as far as an inspection tells. Contents are
// never part of it.
type Secrets struct {
	Recipients []string          // its SSH host keys that secrets can be encrypted to, the best first
	KeyFiles   map[string]string // their public keys, by the paths of the private keys
	FormerKey  bool              // a change of its SSH host key has not come to its end
	Kept       SecretSet         // on the disk
	Volatile   SecretSet         // in memory
	Gone       []string          // stored, and not in their place in memory as they are stored
	Pending    bool              // stored, and not brought to the system that runs
}

// HasKey reports whether a private key at a path has that public key beside it.
func (s *Secrets) HasKey(path, public string) bool { return s.KeyFiles[path] == public }

// A SecretSet is the secrets of a system in one of the two places where they are stored.
type SecretSet struct {
	Dir  string            // "" for none
	Key  string            // that the MACs are made with
	MACs map[string]string // by the name of the secret
}

// Has reports whether anything is stored.
func (s *Secrets) Has() bool { return len(s.Kept.MACs)+len(s.Volatile.MACs) > 0 }

// The directories of sets begin with these.
const (
	keptRoot     = "/var/lib/muster/secrets"
	volatileRoot = "/run/muster-secrets.volatile"
)

// maxSecrets is how many secrets of a host are looked at.
const maxSecrets = 10000

// maxKeyFiles is how many keys of a host are looked at.
const maxKeyFiles = 100

// add takes in a line of inspect.sh; it reports false for one that is of something else.
func (s *Secrets) add(name, value string) bool {
	words := strings.Fields(value)
	set := func() *SecretSet {
		if len(words) > 0 && words[0] == volatileRoot {
			return &s.Volatile
		}
		return &s.Kept
	}
	switch name {
	case "hostkey":
		if len(words) >= 2 && len(s.Recipients) < 2 {
			s.Recipients = appendNew(s.Recipients, words[0]+" "+words[1])
		}
		if len(words) == 3 && len(s.KeyFiles) < maxKeyFiles {
			if s.KeyFiles == nil {
				s.KeyFiles = map[string]string{}
			}
			s.KeyFiles[words[2]] = words[0] + " " + words[1]
		}
	case "hostkeyformer":
		s.FormerKey = true
	case "secretbase":
		if len(words) == 2 && (strings.HasPrefix(words[1], keptRoot+"/sets/") || strings.HasPrefix(words[1], volatileRoot+"/sets/")) {
			set().Dir = words[1]
		}
	case "secretkey":
		if len(words) == 2 {
			set().Key = words[1]
		}
	case "secretmac":
		if len(words) == 3 && len(set().MACs) < maxSecrets {
			if set().MACs == nil {
				set().MACs = map[string]string{}
			}
			set().MACs[words[1]] = words[2]
		}
	case "secretgone":
		if len(s.Gone) < maxSecrets {
			s.Gone = append(s.Gone, value)
		}
	case "secretpending":
		s.Pending = true
	default:
		return false
	}
	return true
}

// A SecretFile is a secret of a set that is stored, encrypted to the host.
type SecretFile struct {
	Name     string
	Content  []byte // encrypted; nil: that of the set before
	MAC      string
	Keep     bool // a rollback brings it back
	Volatile bool
}

// A SecretStore is the secrets of a system, to be stored on a host.
type SecretStore struct {
	Root   string // the directory that is / on the host; "" for / itself
	System store.Path
	Key    string // that the MACs are made with
	Before Secrets
	Files  []SecretFile
}

// A Feeder is a machine whose commands can read what they are given.
type Feeder interface {
	// Feed is Run with standard input.
	Feed(ctx context.Context, argv []string, stdin io.Reader, stdout, stderr io.Writer) error
}

// StoreSecrets stores the secrets of a system. Nothing of what runs is changed: they are
// brought into memory when the system is activated, or by [Host.ApplySecrets].
func (h *Host) StoreSecrets(ctx context.Context, s SecretStore, limit time.Duration) error {
	feeder, ok := h.machine.(Feeder)
	if !ok {
		return fmt.Errorf("send secrets: the connection takes no input")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not stored after %v", limit))
	defer cancel()
	in, out := io.Pipe()
	go func() { out.CloseWithError(s.write(out)) }()
	defer in.Close()
	return feeder.Feed(ctx, secretsScript.argv(string(s.System), s.Before.Kept.Dir, s.Before.Volatile.Dir, s.Root), in, io.Discard, nil)
}

// write writes the archive that secrets.sh reads.
func (s *SecretStore) write(w io.Writer) error {
	t := tar.NewWriter(w)
	file := func(name string, content []byte) error {
		if err := t.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(content))}); err != nil {
			return err
		}
		_, err := t.Write(content)
		return err
	}
	for _, place := range []string{"kept", "volatile"} {
		var same, macs, keep strings.Builder
		if err := t.WriteHeader(&tar.Header{Name: place + "/", Typeflag: tar.TypeDir, Mode: 0o700}); err != nil {
			return err
		}
		for _, f := range s.Files {
			if f.Volatile != (place == "volatile") {
				continue
			}
			fmt.Fprintln(&macs, f.Name, f.MAC)
			if f.Keep {
				fmt.Fprintln(&keep, f.Name)
			}
			if f.Content == nil {
				fmt.Fprintln(&same, f.Name)
				continue
			}
			if err := file(place+"/"+f.Name+".age", f.Content); err != nil {
				return err
			}
		}
		for _, meta := range []struct{ name, text string }{{".same", same.String()}, {".macs", macs.String()}, {".keep", keep.String()}, {".key", s.Key + "\n"}} {
			if err := file(place+"/"+meta.name, []byte(meta.text)); err != nil {
				return err
			}
		}
	}
	if err := file("end", nil); err != nil {
		return err
	}
	return t.Close()
}

// Applied is what became of units when secrets were brought into memory.
type Applied struct {
	Restarted, Reloaded []string
	Failed              []string // do not run afterwards
}

// ApplySecrets brings the stored secrets of the system that runs into memory. Where a
// state before is given, the host goes back to what was stored then.
func (h *Host) ApplySecrets(ctx context.Context, system store.Path, before *Secrets, limit time.Duration) (a Applied, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done after %v", limit))
	defer cancel()
	kept, volatile := "", ""
	if before != nil {
		kept, volatile = before.Kept.Dir, before.Volatile.Dir
	}
	out, err := h.run(ctx, applySecretsScript, string(system), kept, volatile)
	for line := range strings.Lines(out) {
		verb, unit, _ := strings.Cut(strings.TrimSpace(line), " ")
		for _, to := range []struct {
			verb string
			list *[]string
		}{{"restarted", &a.Restarted}, {"reloaded", &a.Reloaded}, {"failed", &a.Failed}} {
			if verb == to.verb {
				*to.list = appendNew(*to.list, human.Clip(unit, maxWord))
			}
		}
	}
	return a, err
}

// SettleSecrets makes the stored secrets of a system the host's for good: what only
// the way back needed is removed.
func (h *Host) SettleSecrets(ctx context.Context, system store.Path) error {
	_, err := h.ask(ctx, settleSecretsScript, string(system))
	return err
}
