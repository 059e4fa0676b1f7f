package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/exec"
	"muster/exec/foreign"
	"muster/exec/human"
	"muster/exec/nixcmd"
	"muster/exec/secret"
	"muster/schema"
)

// secretsOptions are those of the verbs about the secrets of an inventory, where
// muster runs: list, check, generate, rotate, edit and rekey.
type secretsOptions struct {
	noRules
	verb      string
	selection selectFlags
	secrets   secretFlags
}

func (o *secretsOptions) groups() []group {
	switch o.verb {
	case "list":
		return []group{&o.selection}
	}
	return []group{&o.selection, &o.secrets}
}

func (o *secretsOptions) addFlags(*flags.Set) {}

func (o *secretsOptions) run(ctx context.Context, std streams, args []string) error {
	name := ""
	if o.verb == "edit" || o.verb == "rotate" {
		name, args = args[0], args[1:]
	}
	fleet, err := o.selection.reading.load(ctx, args)
	if err != nil {
		return err
	}
	hosts, err := o.selection.hosts(std, fleet)
	if err != nil {
		return err
	}
	k := &keeper{fleet: fleet, hosts: hosts, reader: o.secrets.reader(fleet.Dir), std: std, authorities: map[string][]byte{}}
	switch o.verb {
	case "list":
		return k.list()
	case "check":
		return k.check(ctx)
	case "generate":
		return k.generate(k.missing())
	case "rotate":
		return k.rotate(name)
	case "edit":
		return k.edit(ctx, name)
	}
	return k.rekey()
}

// A keeper looks after the secrets of an inventory where muster runs.
type keeper struct {
	fleet  *schema.Fleet
	hosts  []*schema.Host
	reader *secret.Reader
	std    streams

	authorities map[string][]byte // those that were made, by their files
}

// each calls f for each secret of the hosts once, with the hosts that have it.
func (k *keeper) each(f func(s *schema.Secret, hosts []*schema.Host)) {
	users := map[*schema.Secret][]*schema.Host{}
	var order []*schema.Secret
	for _, h := range k.hosts {
		for _, s := range h.AllSecrets {
			if users[s] == nil {
				order = append(order, s)
			}
			users[s] = append(users[s], h)
		}
	}
	for _, s := range order {
		f(s, users[s])
	}
}

// list prints a line for each secret.
func (k *keeper) list() error {
	table := ui.NewReport(k.std.out, "secret", "hosts", "source", "owner", "mode", "units")
	k.each(func(s *schema.Secret, hosts []*schema.Host) {
		on := human.Count(len(hosts), "host")
		if len(hosts) == 1 {
			on = hosts[0].Name
		}
		table.Row(s.Name, on, source(s), s.Owner+":"+s.Group, fmt.Sprintf("%04o", s.Mode), strings.Join(append(slices.Clone(s.Restart), s.Reload...), ", "))
	})
	table.Flush()
	return nil
}

// source says in a word or two where the content of a secret comes from.
func source(s *schema.Secret) string {
	switch {
	case s.Age != "":
		return "age " + s.Age
	case s.Sops.Key != "":
		return "sops " + s.Sops.File + " " + s.Sops.Key
	case s.Sops.File != "":
		return "sops " + s.Sops.File
	case len(s.Command) > 0:
		return "command " + s.Command[0]
	case s.File != "":
		return "file " + s.File
	case s.Env != "":
		return "environment " + s.Env
	}
	return "template"
}

// check reads every secret and tells of those that cannot be read.
func (k *keeper) check(ctx context.Context) error {
	read, failed := 0, 0
	for _, h := range k.hosts {
		for _, s := range h.AllSecrets {
			content, err := k.reader.Value(ctx, h, s)
			if err != nil {
				fmt.Fprintf(k.std.err, "%s: %s\n", h.Name, ui.Printable(err.Error()))
				failed++
				continue
			}
			read++
			k.tellOfEnd(h, s, content)
		}
	}
	failed += k.checkAuthorities()
	fmt.Fprintf(k.std.out, "%s can be read\n", human.Count(read, "secret"))
	if failed > 0 {
		return fmt.Errorf("%s cannot be read", human.Count(failed, "secret"))
	}
	return nil
}

// tellOfEnd says that the certificate in a secret ends soon, or has ended.
func (k *keeper) tellOfEnd(h *schema.Host, s *schema.Secret, content []byte) {
	if s.Generate.Kind != "x509" {
		return
	}
	begins, ends, err := secret.CertificateTime(content)
	switch {
	case err != nil:
		fmt.Fprintf(k.std.err, "%s: %s: secret %s: %v\n", h.Name, s.At, s.Name, err)
	case schema.CertificateEnding(begins, ends, time.Now()):
		fmt.Fprintf(k.std.err, "%s: %s: secret %s: its certificate ends on %s: muster secrets rotate %[3]s makes a new one\n", h.Name, s.At, s.Name, ends.UTC().Format(time.DateOnly))
	}
}

// missing are the secrets to generate whose files are not there.
func (k *keeper) missing() []*schema.Secret {
	var all []*schema.Secret
	k.each(func(s *schema.Secret, _ []*schema.Host) {
		if s.Generate.Kind == "" || slices.ContainsFunc(all, func(o *schema.Secret) bool { return o.Age == s.Age }) {
			return
		}
		if _, err := os.Lstat(k.reader.Path(s.Age)); errors.Is(err, os.ErrNotExist) {
			all = append(all, s)
		}
	})
	return all
}

// generate makes secrets and their files.
func (k *keeper) generate(list []*schema.Secret) error {
	if len(list) == 0 {
		fmt.Fprintln(k.std.out, "nothing to generate: every file is there")
		return nil
	}
	for _, s := range list {
		if s.Generate.Kind == "x509" {
			if err := k.certify(s); err != nil {
				return err
			}
			continue
		}
		content, public, err := secret.Generate(s.Generate, s.Name)
		if err != nil {
			return err
		}
		former := k.formerHostKey(s)
		if err := k.writeSecret(s, content); err != nil {
			return err
		}
		fmt.Fprintf(k.std.out, "%s: %s, encrypted in %s\n", s.Name, s.Generate.Kind, s.Age)
		if public != "" {
			fmt.Fprintf(k.std.out, "  public key: %s\n", public)
		}
		k.tellOfHostKey(s, former)
	}
	return nil
}

// certify makes a certificate and its key, and the authority that signs it if there is
// none yet. The certificates are beside the keys, in plain text.
func (k *keeper) certify(s *schema.Secret) error {
	var authority []byte
	if file := s.Generate.Authority; file != "" {
		var err error
		if authority, err = k.authority(file); err != nil {
			return err
		}
	}
	content, certificate, err := secret.Certificate(s.Generate, authority, time.Now())
	if err != nil {
		return fmt.Errorf("%s: secret %s: %w", s.At, s.Name, err)
	}
	if err := k.writePair(s.Age, content, certificate); err != nil {
		return err
	}
	_, ends, err := secret.CertificateTime(content)
	if err != nil {
		return err
	}
	fmt.Fprintf(k.std.out, "%s: x509, encrypted in %s\n  certificate: %s, until %s\n", s.Name, s.Age, schema.CertificateFile(s.Age), ends.UTC().Format(time.DateOnly))
	return nil
}

// authority returns the authority of a file, which is made if there is none.
func (k *keeper) authority(file string) ([]byte, error) {
	if made := k.authorities[file]; made != nil {
		return made, nil
	}
	if _, err := os.Lstat(k.reader.Path(file)); !errors.Is(err, os.ErrNotExist) {
		return k.reader.Age(file)
	}
	content, certificate, err := secret.Authority(authorityName(file), time.Now())
	if err != nil {
		return nil, err
	}
	if err := k.writePair(file, content, certificate); err != nil {
		return nil, err
	}
	k.authorities[file] = content
	fmt.Fprintf(k.std.out, "authority: encrypted in %s, its certificate in %s\n", file, schema.CertificateFile(file))
	return content, nil
}

// writePair writes a key with its certificate to a file of age, and the certificate
// beside it.
func (k *keeper) writePair(file string, content, certificate []byte) error {
	if err := k.write(file, content); err != nil {
		return err
	}
	return writeFile(k.reader.Path(schema.CertificateFile(file)), certificate)
}

// write encrypts a secret to its file.
func (k *keeper) write(file string, content []byte) error {
	to, err := k.recipients()
	if err != nil {
		return err
	}
	text, err := secret.SealFile(content, to...)
	if err != nil {
		return fmt.Errorf("encrypt %q: %w", file, err)
	}
	if err := os.MkdirAll(filepath.Dir(k.reader.Path(file)), 0o755); err != nil {
		return err
	}
	return writeFile(k.reader.Path(file), text)
}

// recipients are who may decrypt the files that muster writes.
func (k *keeper) recipients() ([]string, error) {
	var all []string
	for _, r := range k.fleet.SecretRecipients {
		if _, err := secret.ParseRecipient(r.Text); err != nil {
			return nil, fmt.Errorf("%s: secret_recipients: %w", r.At, err)
		}
		all = append(all, r.Text)
	}
	if len(all) == 0 {
		return nil, errors.New("nobody could decrypt what is written: name at least one age recipient or SSH public key in secret_recipients of the inventory")
	}
	return all, nil
}

// named returns the secret of a name whose file muster may write.
func (k *keeper) named(name string) (*schema.Secret, error) {
	var found []*schema.Secret
	k.each(func(s *schema.Secret, _ []*schema.Host) {
		if s.Name == name && !slices.ContainsFunc(found, func(o *schema.Secret) bool { return source(o) == source(s) }) {
			found = append(found, s)
		}
	})
	switch {
	case len(found) == 0:
		return nil, usageError{fmt.Errorf("no host has a secret %s: see muster secrets list", name)}
	case len(found) > 1:
		return nil, usageError{fmt.Errorf("several secrets are called %s: choose a host of one with --on", name)}
	case found[0].Age == "":
		return nil, usageError{fmt.Errorf("%s: secret %s is no file of age, but %s: change it there", found[0].At, name, source(found[0]))}
	}
	return found[0], nil
}

// rotate makes a generated secret anew.
func (k *keeper) rotate(name string) error {
	if file := k.authorityFile(name); file != "" {
		return k.rotateAuthority(file)
	}
	s, err := k.named(name)
	if err != nil {
		return err
	}
	if s.Generate.Kind == "" {
		return usageError{fmt.Errorf("%s: secret %s is not generated: change it with muster secrets edit %s", s.At, name, name)}
	}
	if s.Mesh != "" {
		return k.rotateMeshKey(s)
	}
	return k.generate([]*schema.Secret{s})
}

// edit has the user change a secret in an editor. The text is in memory only, where
// the machine has such files.
func (k *keeper) edit(ctx context.Context, name string) error {
	s, err := k.named(name)
	if err != nil {
		return err
	}
	var before []byte
	if _, err := os.Lstat(k.reader.Path(s.Age)); err == nil {
		if before, err = k.reader.Age(s.Age); err != nil {
			return err
		}
	}
	if _, err := k.recipients(); err != nil {
		return err
	}
	after, err := edited(ctx, before)
	if err != nil {
		return err
	}
	if string(after) == string(before) {
		fmt.Fprintln(k.std.out, "nothing changed")
		return nil
	}
	former := k.formerHostKey(s)
	if err := k.writeSecret(s, after); err != nil {
		return err
	}
	fmt.Fprintf(k.std.out, "%s: encrypted in %s; muster deploy sends it\n", s.Name, s.Age)
	k.tellOfHostKey(s, former)
	return nil
}

// edited has the user change a text.
func edited(ctx context.Context, text []byte) ([]byte, error) {
	in := "/dev/shm"
	if info, err := os.Stat(in); err != nil || !info.IsDir() {
		in = ""
	}
	dir, err := os.MkdirTemp(in, "muster-secret-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "secret")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	if err := nixcmd.Edit(ctx, file); err != nil {
		return nil, err
	}
	return foreign.ReadFile(file, foreign.Limits{Size: secret.MaxSize})
}

// rekey encrypts every file of age to those who may decrypt it now.
func (k *keeper) rekey() error {
	if _, err := k.recipients(); err != nil {
		return err
	}
	done := map[string]bool{}
	var failed error
	one := func(file string, write func(file string, content []byte) error) {
		if file == "" || done[file] {
			return
		}
		done[file] = true
		content, err := k.reader.Age(file)
		if err == nil {
			err = write(file, content)
		}
		if err != nil {
			failed = errors.Join(failed, err)
			return
		}
		fmt.Fprintf(k.std.out, "%s: encrypted to %s\n", file, human.Count(len(k.fleet.SecretRecipients), "recipient"))
	}
	k.each(func(s *schema.Secret, _ []*schema.Host) {
		one(s.Age, func(_ string, content []byte) error { return k.writeSecret(s, content) })
		one(s.Generate.Authority, k.write)
	})
	for _, h := range k.hosts {
		if _, err := os.Lstat(k.reader.Path(h.Install.HostKey)); errors.Is(err, os.ErrNotExist) {
			continue // muster install makes it
		}
		one(h.Install.HostKey, func(file string, content []byte) error { return k.writeHostKey(file, content, "") })
	}
	return failed
}

// pushSecretsOptions are those of secrets push, which brings secrets to hosts and
// leaves their systems alone.
type pushSecretsOptions struct {
	noRules
	hostFlags
	secrets       secretFlags
	ignoreCluster bool
}

func (o *pushSecretsOptions) groups() []group { return append(o.hostFlags.groups(), &o.secrets) }

func (o *pushSecretsOptions) addFlags(fs *flags.Set) { addIgnoreCluster(fs, &o.ignoreCluster) }

func (o *pushSecretsOptions) run(ctx context.Context, std streams, args []string) error {
	s, err := begin(ctx, std, args, needs{selection: &o.selection, ui: o.output.reporter, connects: true})
	if err != nil {
		return err
	}
	defer s.close()
	plan := s.planWithoutSystems(exec.PushSecrets)
	plan.Cluster, s.ignoreCluster = exec.ClusterOf(s.fleet), o.ignoreCluster
	return s.run(ctx, plan, &o.ssh, &o.jobs, &o.secrets)
}
