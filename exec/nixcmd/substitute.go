package nixcmd

import (
	"context"
	"strings"

	"muster/compile/store"
)

// A Substitution says where paths come from.
type Substitution struct {
	From string   // the URL of a binary cache, and of no other
	Keys []string // a path must be signed by one of these public keys, whatever nix.conf trusts
	Root string   // becomes a root of the garbage collector; "" for none
}

// Substitute makes the closure of a path valid in the local store by fetching what it lacks. Nothing is built. log gets the
// lines of Nix.
func (n *Nix) Substitute(ctx context.Context, path store.Path, s Substitution, log func(line string)) error {
	args := []string{
		"--realise", string(path),
		"--option", "substitute", "true",
		"--option", "substituters", s.From,
		"--option", "extra-substituters", "",
		"--option", "trusted-public-keys", strings.Join(s.Keys, " "),
		"--option", "extra-trusted-public-keys", "",
		"--option", "require-sigs", "true",
		"--option", "max-jobs", "0",
		"--option", "builders", "",
		// The URL of a cache may be another's tomorrow.
		"--option", "narinfo-cache-positive-ttl", "0",
		"--option", "narinfo-cache-negative-ttl", "0",
	}
	if s.Root != "" {
		args = append(args, "--add-root", s.Root, "--indirect")
	}
	// Nix must not ask a proxy for what is on this machine.
	local := &Nix{Env: append([]string{"no_proxy=127.0.0.1,localhost", "NO_PROXY=127.0.0.1,localhost"}, n.Env...)}
	_, err := local.output(ctx, nil, log, "nix-store", args...)
	return err
}
