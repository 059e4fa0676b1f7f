package nixcmd

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"muster/compile/store"
)

// fetchers are the builtins that [Nix.Fetch] calls.
var fetchers = []string{"fetchurl", "fetchTarball", "fetchGit", "fetchMercurial", "fetchTree"}

// Fetch has one of Nix's builtin fetchers get what its argument, as JSON, asks
// for, and returns its store path.
func (n *Nix) Fetch(ctx context.Context, fetcher, argument string) (store.Path, error) {
	if !slices.Contains(fetchers, fetcher) {
		return "", fmt.Errorf("fetch by %s: not a fetcher of Nix's", fetcher)
	}
	out, err := n.output(ctx, nil, nil, "nix-instantiate", "--eval", "--json", "--read-write-mode",
		"--expr", "{ argument }: toString (builtins."+fetcher+" (builtins.fromJSON argument))",
		"--argstr", "argument", argument)
	if err != nil {
		return "", err
	}
	var path string
	if err := json.Unmarshal(out, &path); err != nil {
		return "", fmt.Errorf("read what nix-instantiate printed: %v", err)
	}
	return store.ParsePath(path)
}
