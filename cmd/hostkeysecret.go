package cmd

import (
	"fmt"

	"muster/exec/secret"
	"muster/schema"
)

// writeSecret encrypts a secret to its file. The public key of an SSH host key is written
// beside it.
func (k *keeper) writeSecret(s *schema.Secret, content []byte) error {
	switch {
	case s.Mesh != "":
		return k.writeMeshKey(s.Age, content)
	case s.HostKey() == "":
		return k.write(s.Age, content)
	}
	return k.writeHostKey(s.Age, content, s.HostKey())
}

// writeHostKey encrypts an SSH host key of a type to a file, and writes its public key
// beside it. With "", any type will do.
func (k *keeper) writeHostKey(file string, private []byte, want string) error {
	kind, public, err := secret.PublicKey(private)
	if err == nil && want != "" && kind != want {
		err = fmt.Errorf("an SSH key of type %s, want %s", kind, want)
	}
	if err != nil {
		return fmt.Errorf("%q: %w", file, err)
	}
	if err := k.write(file, private); err != nil {
		return err
	}
	return writeFile(k.reader.Path(schema.PublicKeyFile(file)), []byte(public+"\n"))
}

// tellOfHostKey says what is to be done until the hosts have a new SSH host key.
func (k *keeper) tellOfHostKey(s *schema.Secret, former string) {
	if s.HostKey() != "" && former != "" {
		fmt.Fprintf(k.std.out, "  until its host has it, host_keys has to name the former key: %s\n", former)
	}
}

// formerHostKey is the public key that a secret has before it is made anew; "" where it is
// not known.
func (k *keeper) formerHostKey(s *schema.Secret) string {
	if s.HostKey() == "" {
		return ""
	}
	private, err := k.reader.Age(s.Age)
	if err != nil {
		return ""
	}
	_, public, err := secret.PublicKey(private)
	if err != nil {
		return ""
	}
	return public
}
