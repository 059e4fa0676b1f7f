package cmd

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"muster/cmd/ui"
	"muster/exec/foreign"
	"muster/exec/human"
	"muster/exec/secret"
	"muster/schema"
)

// How an authority that signs certificates of the fleet is replaced, so that at every time
// hosts trust what others present. Each step is a muster secrets rotate FILE, with a
// deployment of all hosts before the next:
//
//	      FILE             its .crt, which hosts trust   certificates are signed by
//	      old              old                           old
//	1     old, next        old, next                     old
//	2     next             next, old                     next
//	3     next             next                          next
//
// The files say how far it has come. A step that breaks off is done again as a whole.

// certified are the secrets of all hosts that an authority signs, each once.
func (k *keeper) certified(file string) []*schema.Secret {
	var all []*schema.Secret
	every := keeper{hosts: k.fleet.Hosts}
	every.each(func(s *schema.Secret, _ []*schema.Host) {
		same := func(o *schema.Secret) bool { return o.Age == s.Age }
		if s.Generate.Authority == file && !slices.ContainsFunc(all, same) {
			all = append(all, s)
		}
	})
	return all
}

// checkAuthorities reads the authorities of the chosen hosts, says which of them end
// before what they sign, and returns how many cannot be read.
func (k *keeper) checkAuthorities() (failed int) {
	done := map[string]bool{}
	k.each(func(s *schema.Secret, _ []*schema.Host) {
		file := s.Generate.Authority
		if file == "" || done[file] {
			return
		}
		content, err := k.reader.Age(file)
		var ends time.Time
		if err == nil {
			_, ends, err = secret.CertificateTime(content)
		}
		switch {
		case err != nil:
			fmt.Fprintf(k.std.err, "%s: authority of secret %s: %s\n", s.At, s.Name, ui.Printable(err.Error()))
			failed++
		case !s.Generate.Outlives(ends, time.Now()):
			return // another secret may
		default:
			fmt.Fprintf(k.std.err, "%s: authority of secret %s: it ends on %s, before a certificate made now would: muster secrets rotate %s replaces it, in three steps\n", s.At, s.Name, ends.UTC().Format(time.DateOnly), file)
		}
		done[file] = true
	})
	return failed
}

// authorityFile returns the file of an authority as the inventory has it, or "" where a
// name is none.
func (k *keeper) authorityFile(name string) (file string) {
	every := keeper{hosts: k.fleet.Hosts}
	every.each(func(s *schema.Secret, _ []*schema.Host) {
		if a := s.Generate.Authority; a != "" && filepath.Clean(k.reader.Path(a)) == filepath.Clean(k.reader.Path(name)) {
			file = a
		}
	})
	return file
}

// rotateAuthority does the next step of replacing an authority.
func (k *keeper) rotateAuthority(file string) error {
	content, err := k.reader.Age(file)
	if err != nil {
		return err
	}
	trusted := k.reader.Path(schema.CertificateFile(file))
	text, err := foreign.ReadFile(trusted, foreign.Limits{Size: secret.MaxSize, Links: true})
	if err != nil {
		return err
	}
	pairs, certificates := secret.Pairs(content), secret.Certificates(text)
	for _, pair := range pairs {
		if len(secret.Certificates(pair)) == 0 {
			return fmt.Errorf("%s: it has a private key without its certificate", file)
		}
	}
	switch {
	case len(pairs) == 1 && len(certificates) == 1:
		return k.beginAuthority(file, content)
	case len(pairs) == 2 && !bytes.Contains(text, secret.Certificates(pairs[1])[0]):
		return k.trustBoth(file, content) // the first step has broken off
	case len(pairs) == 2:
		return k.signByNext(file, pairs)
	case len(pairs) == 1 && len(certificates) > 1:
		return k.endAuthority(file, secret.Certificates(pairs[0])[0])
	}
	return fmt.Errorf("%s: has %s and its .crt has %s: want one or two of each", file, human.Count(len(pairs), "key"), human.Count(len(certificates), "certificate"))
}

// beginAuthority makes the next authority, which nothing is signed by yet.
func (k *keeper) beginAuthority(file string, signing []byte) error {
	content, _, err := secret.NextAuthority(signing, authorityName(file), time.Now())
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err := k.write(file, content); err != nil {
		return err
	}
	return k.trustBoth(file, content)
}

func (k *keeper) trustBoth(file string, content []byte) error {
	if err := writeFile(k.reader.Path(schema.CertificateFile(file)), bytes.Join(secret.Certificates(content), nil)); err != nil {
		return err
	}
	k.toldStep(file, 1, "has the next authority, too, which signs nothing yet", "has the certificates of both")
	return nil
}

// signByNext makes all certificates anew, signed by the next authority.
func (k *keeper) signByNext(file string, pairs [][]byte) error {
	k.authorities[file] = pairs[1]
	for _, s := range k.certified(file) {
		if err := k.certify(s); err != nil {
			return err
		}
	}
	both := append(secret.Certificates(pairs[1]), secret.Certificates(pairs[0])...)
	if err := writeFile(k.reader.Path(schema.CertificateFile(file)), bytes.Join(both, nil)); err != nil {
		return err
	}
	if err := k.write(file, pairs[1]); err != nil {
		return err
	}
	k.toldStep(file, 2, "has the new authority only, which has signed all certificates", "still has the certificates of both")
	return nil
}

// endAuthority removes the former authority, which nothing may be signed by.
func (k *keeper) endAuthority(file string, certificate []byte) error {
	var left []string
	for _, s := range k.certified(file) {
		text, err := foreign.ReadFile(k.reader.Path(schema.CertificateFile(s.Age)), foreign.Limits{Size: secret.MaxSize, Links: true})
		if err == nil {
			err = secret.SignedBy(text, certificate)
		}
		if err != nil {
			left = append(left, fmt.Sprintf("secret %s: %v", s.Name, err))
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("%s: the former authority cannot go yet: %s: make it anew with muster secrets rotate, and deploy it first", file, strings.Join(left, "; "))
	}
	if err := writeFile(k.reader.Path(schema.CertificateFile(file)), certificate); err != nil {
		return err
	}
	k.toldStep(file, 3, "has the new authority only", "has its certificate only")
	return nil
}

// toldStep says what was done and what comes next.
func (k *keeper) toldStep(file string, step int, keys, certificates string) {
	next := fmt.Sprintf("deploy %s to all hosts", schema.CertificateFile(file))
	switch step {
	case 1:
		next += " that trust it, then run this again: all certificates are made anew"
	case 2:
		next = "deploy all hosts with their new certificates, then run this again: the former authority is removed"
	}
	fmt.Fprintf(k.std.out, "authority, step %d of 3: %s %s, %s %s\n  next: %s\n", step, file, keys, schema.CertificateFile(file), certificates, next)
}

// authorityName is the name in the certificate of an authority.
func authorityName(file string) string {
	return "muster " + filepath.Base(schema.CertificateFile(file))
}
