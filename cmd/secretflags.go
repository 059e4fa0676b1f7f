package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/exec"
	"muster/exec/nixcmd"
	"muster/exec/secret"
)

// secretFlags say who may decrypt the secrets of the inventory.
type secretFlags struct {
	noRules
	identities []string
}

func (f *secretFlags) addFlags(fs *flags.Set) {
	fs.Var(flags.ListOf(&f.identities, flags.Existing()), "identity",
		"decrypt secrets with this age identity or SSH private key `file`; several times for several (default $XDG_CONFIG_HOME/muster/identity, ~/.ssh/id_ed25519 and ~/.ssh/id_rsa)")
}

// apply has the run read secrets.
func (f *secretFlags) apply(_ *session, plan *exec.Plan, o *exec.Options) {
	o.Secrets = f.reader(plan.Dir)
}

// reader reads the secrets of an inventory.
func (f *secretFlags) reader(dir string) *secret.Reader {
	return &secret.Reader{Dir: dir, Run: nixcmd.Capture, Env: taken.lookup, Identities: func() ([]secret.Identity, error) { return f.read() }}
}

// read reads the identities: those of the flags, or those in the usual places.
func (f *secretFlags) read() ([]secret.Identity, error) {
	files := f.identities
	usual := len(files) == 0
	if usual {
		files = usualIdentities()
	}
	var all []secret.Identity
	var asking sync.Mutex
	for _, file := range files {
		if _, err := os.Stat(file); usual && err != nil {
			continue
		}
		more, err := secret.Identities(file, func(file string) ([]byte, error) {
			asking.Lock()
			defer asking.Unlock()
			return ui.Password(fmt.Sprintf("passphrase of %s: ", file))
		})
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("nothing to decrypt with: none of %v is there; name a file with --identity", usualIdentities())
	}
	return all, nil
}

func usualIdentities() []string {
	var files []string
	if dir, err := os.UserConfigDir(); err == nil {
		files = append(files, filepath.Join(dir, "muster", "identity"))
	}
	if home, err := os.UserHomeDir(); err == nil {
		files = append(files, filepath.Join(home, ".ssh", "id_ed25519"), filepath.Join(home, ".ssh", "id_rsa"))
	}
	return files
}
