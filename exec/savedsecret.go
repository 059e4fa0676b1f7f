package exec

import (
	"fmt"

	"muster/schema"
)

// A savedSecret says where the content of a secret comes from and what becomes of it. The
// content itself is not saved.
type savedSecret struct {
	Name     secretName `json:"name"`
	Age      string     `json:"age,omitempty"`
	SopsFile string     `json:"sops_file,omitempty"`
	SopsKey  string     `json:"sops_key,omitempty"`
	Command  []string   `json:"command,omitempty"`
	File     string     `json:"file,omitempty"`
	Env      string     `json:"env,omitempty"`
	Template string     `json:"template,omitempty"`
	Volatile bool       `json:"volatile,omitempty"`
	Keep     bool       `json:"keep,omitempty"`
	HostKey  string     `json:"host_key,omitempty"` // the path of an SSH host key
}

// A secretName is the name of a secret, and of a file on the host.
type secretName string

// UnmarshalText refuses what is no name of a secret.
func (n *secretName) UnmarshalText(text []byte) error {
	if !schema.IsSecretName(string(text)) {
		return fmt.Errorf("the secret %q: want letters, digits, '.', '-' and '_', beginning with a letter or digit, at most 64", text)
	}
	*n = secretName(text)
	return nil
}

// What the host's configuration says of a secret, such as its owner, is in its system.

func saveSecrets(all []*schema.Secret) (saved []savedSecret) {
	for _, s := range all {
		path := ""
		if s.HostKey() != "" {
			path = s.Path
		}
		saved = append(saved, savedSecret{
			Name: secretName(s.Name), Age: s.Age, SopsFile: s.Sops.File, SopsKey: s.Sops.Key, Command: s.Command, File: s.File, Env: s.Env,
			Template: s.Template, Volatile: s.Volatile, Keep: s.Keep, HostKey: path,
		})
	}
	return saved
}

func loadSecrets(saved []savedSecret) (all []*schema.Secret) {
	for _, s := range saved {
		all = append(all, &schema.Secret{
			Name: string(s.Name), Age: s.Age, Sops: schema.Sops{File: s.SopsFile, Key: s.SopsKey}, Command: s.Command, File: s.File, Env: s.Env,
			Template: s.Template, Volatile: s.Volatile, Keep: s.Keep, Path: s.HostKey,
		})
	}
	return all
}
