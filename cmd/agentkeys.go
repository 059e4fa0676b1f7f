package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"muster/cmd/flags"
	"muster/exec/foreign"
	"muster/exec/sshsig"
)

// reportAuth is the variable with the credentials of --report-to.
const reportAuth = "MUSTER_REPORT_AUTH"

// sshHostKeys are the host keys that sshd makes.
var sshHostKeys = []string{"/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_ecdsa_key", "/etc/ssh/ssh_host_rsa_key"}

// keyFiles is the kind of a list of files with keys.
var keyFiles = flags.Kind[string]{
	Name: "key files",
	Want: "absolute paths with colons between them, such as " + sshHostKeys[0],
	Parse: func(text string) (string, error) {
		for file := range strings.SplitSeq(text, ":") {
			if !filepath.IsAbs(file) {
				return "", flags.ErrRefused
			}
		}
		return text, nil
	},
}

// hostKeysIn reads the SSH host keys in files, or in those of sshd where none are named. One is enough: files that are missing
// or hold no key that signs are an error where all of them are.
func hostKeysIn(list string) (keys []*sshsig.Key, err error) {
	files, named := sshHostKeys, list != ""
	if named {
		files = strings.Split(list, ":")
	}
	var failed []error
	for _, file := range files {
		text, err := foreign.ReadFile(file, foreign.Limits{Size: 64 << 10, Trusted: true, Links: true})
		if err == nil {
			var k *sshsig.Key
			if k, err = sshsig.ParseKey(text); err == nil {
				keys = append(keys, k)
				continue
			}
			err = fmt.Errorf("%s: %w", file, err)
		}
		if named || !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	switch {
	case len(keys) > 0:
		return keys, nil
	case len(failed) > 0:
		return nil, fmt.Errorf("read the SSH host keys: %w", failed[0])
	}
	return nil, fmt.Errorf("there is no SSH host key such as %s", sshHostKeys[0])
}
