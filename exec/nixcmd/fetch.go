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

// fetchExpr calls a fetcher. The result of a fetcher is a path, or a set with
// outPath, of which --json would print only the path.
const fetchExpr = `{ fetcher, argument }:
let got = builtins.${fetcher} (builtins.fromJSON argument); in
{
  path = toString got;
  told = if builtins.isAttrs got then builtins.toJSON (removeAttrs got [ "outPath" ]) else "";
}`

// Fetch calls one of Nix's builtin fetchers with an argument in JSON. It returns
// the store path and the other attributes of the result as JSON; told is "" if there
// are none.
func (n *Nix) Fetch(ctx context.Context, fetcher, argument string) (path store.Path, told string, err error) {
	if !slices.Contains(fetchers, fetcher) {
		return "", "", fmt.Errorf("fetch by %s: not a fetcher of Nix", fetcher)
	}
	out, err := n.output(ctx, nil, nil, "nix-instantiate", "--eval", "--json", "--strict", "--read-write-mode",
		"--expr", fetchExpr, "--argstr", "fetcher", fetcher, "--argstr", "argument", argument)
	if err != nil {
		return "", "", err
	}
	var got struct{ Path, Told string }
	if err := json.Unmarshal(out, &got); err != nil {
		return "", "", fmt.Errorf("parse the output of nix-instantiate: %v", err)
	}
	path, err = store.ParsePath(got.Path)
	return path, got.Told, err
}
