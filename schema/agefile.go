package schema

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"muster/exec/foreign"
)

// An AgeFile is what the header of a file encrypted with age says without a key
// (https://github.com/C2SP/C2SP/blob/main/age.md).
//
// A stanza for an SSH key has a tag of the key; one for an X25519 key does not say whose
// it is. Files that muster writes have a stanza with the tags of all recipients, which
// age ignores: type [RecipientsStanza], and each tag an argument.
type AgeFile struct {
	Stanzas [][]string // type and arguments of each
}

// RecipientsStanza is the type of the stanza that names the recipients of a file.
const RecipientsStanza = "muster-recipients"

// RecipientTag is the tag of a recipient in a header: that of age for an SSH key.
func RecipientTag(recipient string) string {
	text := []byte(recipient)
	if words := strings.Fields(recipient); len(words) > 1 && strings.HasPrefix(words[0], "ssh-") {
		if key, err := base64.StdEncoding.DecodeString(words[1]); err == nil {
			text = key
		}
	}
	sum := sha256.Sum256(text)
	return base64.RawStdEncoding.EncodeToString(sum[:4])
}

const (
	agePEM     = "AGE ENCRYPTED FILE"
	ageVersion = "age-encryption.org/v1"
	// maxAgeHeader is how much of a file is looked at: a header of a thousand recipients.
	maxAgeHeader = 1 << 20
)

var errNoAge = errors.New("not encrypted with age")

// readAgeFile reads the header of a file of age.
func readAgeFile(name string) (*AgeFile, error) {
	text, err := foreign.ReadFile(name, foreign.Limits{Size: MaxFileSize, Time: foreign.Time, Links: true})
	if err != nil {
		return nil, err
	}
	return parseAgeFile(text)
}

// parseAgeFile reads the header of a file of age, in its binary form or in ASCII armour.
func parseAgeFile(text []byte) (*AgeFile, error) {
	if armour := bytes.TrimSpace(text); bytes.HasPrefix(armour, []byte("-----BEGIN "+agePEM)) {
		block, rest := pem.Decode(armour)
		if block == nil || block.Type != agePEM || len(bytes.TrimSpace(rest)) > 0 {
			return nil, errors.New("cut or changed: its ASCII armour is not whole")
		}
		text = block.Bytes
	}
	head, rest, _ := bytes.Cut(text, []byte("\n"))
	if string(head) != ageVersion {
		if bytes.HasPrefix(head, []byte("age-encryption.org/")) {
			return nil, fmt.Errorf("of another version of age: want %s", ageVersion)
		}
		return nil, errNoAge
	}
	file := &AgeFile{}
	for len(rest) > 0 && len(text)-len(rest) < maxAgeHeader {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		switch {
		case bytes.HasPrefix(line, []byte("-> ")):
			file.Stanzas = append(file.Stanzas, strings.Fields(string(line[3:])))
		case bytes.HasPrefix(line, []byte("--- ")):
			// A nonce of 16 bytes and a tag of 16 follow at the least.
			if len(file.Stanzas) == 0 || len(rest) < 32 {
				return nil, errors.New("cut or changed: there is nothing in it")
			}
			return file, nil
		}
	}
	return nil, errors.New("cut or changed: its header has no end")
}

// A recipientCheck compares the header of a file with those who are to read it.
type recipientCheck struct {
	missing []string // recipients that it is not encrypted to
	unknown int      // others that it is encrypted to
	fewer   int      // recipients without a tag that are missing, nobody can say which
}

// compareRecipients says who of the recipients cannot read a file, and how many others
// can, as far as its header tells.
func (a *AgeFile) compareRecipients(recipients []Recipient) (r recipientCheck) {
	for _, s := range a.Stanzas {
		if len(s) > 0 && s[0] == RecipientsStanza {
			return compareTags(s[1:], recipients)
		}
	}
	keys := map[string]int{} // stanzas by type and tag
	anonymous := 0
	for _, s := range a.Stanzas {
		switch {
		case len(s) >= 2 && strings.HasPrefix(s[0], "ssh-"):
			keys[s[0]+" "+s[1]]++
		case len(s) > 0 && !strings.HasSuffix(s[0], "-grease"):
			anonymous++
		}
	}
	for _, to := range recipients {
		kind, _, _ := strings.Cut(to.Text, " ")
		if !strings.HasPrefix(kind, "ssh-") {
			anonymous--
			continue
		}
		tag := kind + " " + RecipientTag(to.Text)
		if keys[tag] == 0 {
			r.missing = append(r.missing, to.Text)
		} else {
			keys[tag]--
		}
	}
	for _, n := range keys {
		r.unknown += n
	}
	r.unknown += max(anonymous, 0)
	r.fewer = max(-anonymous, 0)
	return r
}

func compareTags(tags []string, recipients []Recipient) (r recipientCheck) {
	left := slices.Clone(tags)
	for _, to := range recipients {
		if i := slices.Index(left, RecipientTag(to.Text)); i >= 0 {
			left = slices.Delete(left, i, i+1)
		} else {
			r.missing = append(r.missing, to.Text)
		}
	}
	r.unknown = len(left)
	return r
}

// shortRecipient is a recipient as far as people tell it from others.
func shortRecipient(text string) string {
	words := strings.Fields(text)
	if len(words) > 2 {
		return strings.Join(words[2:], " ")
	}
	last := words[len(words)-1]
	return strings.Join(append(words[:len(words)-1:len(words)-1], last[:min(len(last), 12)]+"…"), " ")
}

// ageFile checks that a file is encrypted with age, and to whom the inventory says.
func (c *checker) ageFile(s *Secret, path string) {
	at := s.PosOf("age")
	file, err := readAgeFile(c.absolute(s.Age))
	if err != nil {
		if errors.Is(err, errNoAge) {
			c.report.add(at, path, "secret", "%s is not encrypted with age", quote(s.Age))
		} else {
			c.report.add(at, path, "secret", "%s: %v", quote(s.Age), err)
		}
		return
	}
	if len(c.fleet.SecretRecipients) == 0 {
		return // somebody else looks after the files
	}
	r := file.compareRecipients(c.fleet.SecretRecipients)
	warn := func(format string, args ...any) {
		e := c.report.warn(at, path, "recipients", format, args...)
		e.Hint = "muster secrets rekey encrypts it to secret_recipients and to nobody else"
	}
	for _, to := range r.missing {
		warn("%s is not encrypted to %s", quote(s.Age), shortRecipient(to))
	}
	if r.fewer > 0 {
		warn("%s is encrypted to too few of secret_recipients: %d of those that are no SSH keys are missing", quote(s.Age), r.fewer)
	}
	if r.unknown > 0 {
		warn("%s is also encrypted to %d that secret_recipients does not name", quote(s.Age), r.unknown)
	}
}
