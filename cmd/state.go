package cmd

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
)

// stateDir is the directory of one kind of state of the fleet whose inventory is
// in dir: gcroots for the garbage collector roots of systems, runs for the
// journals. It is below the user's state directory (XDG base directory
// specification); "" if the user has none.
func stateDir(dir, what string) string {
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		state = filepath.Join(home, ".local", "state")
	}
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join(state, "muster", what, fmt.Sprintf("%s-%x", filepath.Base(dir), sum[:4]))
}

// cacheDir is the user's directory for what can be made again. A relative path in
// XDG_CACHE_HOME is ignored, as the XDG base directory specification has it.
func cacheDir() (string, error) {
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" && !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		return filepath.Join(home, ".cache"), err
	}
	return os.UserCacheDir()
}

// noteOnState says what is odd about where a state directory is, "" if nothing.
func noteOnState(dir string) string {
	state := os.Getenv("XDG_STATE_HOME")
	switch {
	case dir == "":
		return "neither XDG_STATE_HOME nor HOME is set: systems that are built may be collected as garbage, as nothing refers to them"
	case state != "" && !filepath.IsAbs(state):
		return fmt.Sprintf("XDG_STATE_HOME is %q, not an absolute path: state is kept in %s", state, dir)
	}
	return ""
}

// fleetDir is the directory of the inventory that the arguments name, found
// without reading it.
func fleetDir(args []string) (string, error) {
	abs, err := filepath.Abs(inventory(args))
	if err != nil {
		return "", err
	}
	switch filepath.Ext(abs) {
	case ".cue", ".toml", ".json", ".yaml", ".yml":
		return filepath.Dir(abs), nil
	}
	return abs, nil
}
