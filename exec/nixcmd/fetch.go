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

// fetchExpr calls a fetcher. What it gives is a path, or a set with one and
// more, which --json would make just the path.
const fetchExpr = `{ fetcher, argument }:
let got = builtins.${fetcher} (builtins.fromJSON argument); in
{
  path = toString got;
  told = if builtins.isAttrs got then builtins.toJSON (removeAttrs got [ "outPath" ]) else "";
}`

// Fetch has one of Nix's builtin fetchers get what its argument, as JSON, asks
// for. It returns the store path and what else the fetcher tells: a set in
// JSON, or "".
func (n *Nix) Fetch(ctx context.Context, fetcher, argument string) (path store.Path, told string, err error) {
	if !slices.Contains(fetchers, fetcher) {
		return "", "", fmt.Errorf("fetch by %s: not a fetcher of Nix's", fetcher)
	}
	out, err := n.output(ctx, nil, nil, "nix-instantiate", "--eval", "--json", "--strict", "--read-write-mode",
		"--expr", fetchExpr, "--argstr", "fetcher", fetcher, "--argstr", "argument", argument)
	if err != nil {
		return "", "", err
	}
	var got struct{ Path, Told string }
	if err := json.Unmarshal(out, &got); err != nil {
		return "", "", fmt.Errorf("read what nix-instantiate printed: %v", err)
	}
	path, err = store.ParsePath(got.Path)
	return path, got.Told, err
}
