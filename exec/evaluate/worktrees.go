package evaluate

import (
	"bytes"
	"path/filepath"
	"strings"

	"muster/compile/store"
	"muster/exec/foreign"
	"muster/exec/ondemand"
	"muster/schema"
)

// Evaluators copy a flake to the store, and name its files there. The user edits those in the directory that the copy is
// of.

// inWorktrees names files as the user knows them.
func inWorktrees(trees map[store.Path]string, text string) string {
	for p, dir := range trees {
		text = strings.ReplaceAll(text, string(p)+"/", dir+"/")
	}
	return text
}

// fileInStore is a file of a copied tree in a message of Nix.
var fileInStore = ondemand.Regexp(`(/nix/store/[0-9a-z]{32}-source)(/[^\s'":»)]+)`)

// maxStoreFiles is how many files of a message are looked at.
const maxStoreFiles = 100

// worktreesIn finds the directories of a fleet's flakes that a message of Nix names the copies of: they have a file in
// common.
func worktreesIn(fleet *schema.Fleet, message string) map[store.Path]string {
	var roots []string
	for _, h := range fleet.FlakeHosts() {
		root := h.Flake.Repo
		if root == "" {
			root = h.Flake.Dir
		}
		if root = inFleet(fleet, root); h.Flake.Dir != "" && (len(roots) == 0 || roots[len(roots)-1] != root) {
			roots = append(roots, root)
		}
	}
	if len(roots) == 0 {
		return nil
	}
	trees, seen := map[store.Path]string{}, map[string]bool{}
	for _, m := range fileInStore().FindAllStringSubmatch(message, -1) {
		p, name := store.Path(m[1]), filepath.Clean(m[2])
		if seen[m[0]] || trees[p] != "" || len(seen) > maxStoreFiles {
			continue
		}
		seen[m[0]] = true
		for _, root := range roots {
			if sameContent(m[1]+name, root+name) {
				trees[p] = root
				break
			}
		}
	}
	return trees
}

func sameContent(a, b string) bool {
	limits := foreign.Limits{Size: 1 << 20, Links: true}
	x, err := foreign.ReadFile(a, limits)
	if err != nil {
		return false
	}
	y, err := foreign.ReadFile(b, limits)
	return err == nil && bytes.Equal(x, y)
}
