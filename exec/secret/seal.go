package secret

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"filippo.io/age/plugin"

	"muster/schema"
)

// An Identity decrypts what is encrypted to its recipient.
type Identity = age.Identity

// A Recipient is whom something is encrypted to.
type Recipient = age.Recipient

// ParseRecipient reads an age recipient, that of a plugin, or an SSH public key of
// the types ssh-ed25519 and ssh-rsa.
func ParseRecipient(s string) (age.Recipient, error) {
	if strings.HasPrefix(s, "ssh-") {
		r, err := agessh.ParseRecipient(s)
		if err != nil {
			return nil, errors.New("not an SSH public key of type ssh-ed25519 or ssh-rsa")
		}
		return r, nil
	}
	if r, err := age.ParseX25519Recipient(s); err == nil {
		return r, nil
	}
	if r, err := age.ParseHybridRecipient(s); err == nil {
		return r, nil
	}
	if r, err := plugin.NewRecipient(s, noQuestions); err == nil {
		return r, nil
	}
	return nil, fmt.Errorf("not an age recipient or SSH public key: %q", s)
}

// noQuestions is for plugins, which may ask nothing: several hosts are worked on at once.
var noQuestions = &plugin.ClientUI{
	DisplayMessage: func(name, message string) error { return nil },
	RequestValue: func(name, prompt string, _ bool) (string, error) {
		return "", errors.New("age-plugin-" + name + " asks a question")
	},
	Confirm: func(name, prompt, yes, no string) (bool, error) {
		return false, errors.New("age-plugin-" + name + " asks a question")
	},
	WaitTimer: func(name string) {},
}

// Seal encrypts content to recipients, in age's binary form.
func Seal(content []byte, to ...age.Recipient) ([]byte, error) {
	var out bytes.Buffer
	if err := seal(&out, content, to); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// SealFile encrypts content to recipients in ASCII armour, for a file in version control.
// Its header names them (see [schema.AgeFile]).
func SealFile(content []byte, to ...string) ([]byte, error) {
	var recipients []age.Recipient
	note := &age.Stanza{Type: schema.RecipientsStanza}
	for _, text := range to {
		r, err := ParseRecipient(text)
		if err != nil {
			return nil, err
		}
		recipients = append(recipients, r)
		note.Args = append(note.Args, schema.RecipientTag(text))
	}
	if len(recipients) == 0 {
		return nil, errors.New("it is to be encrypted to nobody")
	}
	recipients[0] = noted{recipients[0], note}
	var out bytes.Buffer
	a := armor.NewWriter(&out)
	if err := seal(a, content, recipients); err != nil {
		return nil, err
	}
	if err := a.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// noted is a recipient with one more stanza in the header, which age ignores.
type noted struct {
	age.Recipient
	note *age.Stanza
}

func (n noted) Wrap(key []byte) ([]*age.Stanza, error) {
	stanzas, _, err := n.WrapWithLabels(key)
	return stanzas, err
}

func (n noted) WrapWithLabels(key []byte) (stanzas []*age.Stanza, labels []string, err error) {
	if r, ok := n.Recipient.(age.RecipientWithLabels); ok {
		stanzas, labels, err = r.WrapWithLabels(key)
	} else {
		stanzas, err = n.Recipient.Wrap(key)
	}
	return append(stanzas, n.note), labels, err
}

func seal(out io.Writer, content []byte, to []age.Recipient) error {
	w, err := age.Encrypt(out, to...)
	if err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return err
	}
	return w.Close()
}

// A Key is what the MACs of a host's secrets are made with. Only the host keeps it.
type Key [32]byte

// NewKey returns a random key.
func NewKey() (k Key) {
	rand.Read(k[:])
	return k
}

// ParseKey reads a key in hexadecimal digits.
func ParseKey(s string) (k Key, ok bool) {
	b, err := hex.DecodeString(s)
	ok = err == nil && len(b) == copy(k[:], b) && len(b) == len(k)
	return k, ok
}

// String is the key in hexadecimal digits.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// MAC tells whether a host has a content already: that content, encrypted to that
// recipient, and to be kept for rollbacks or not.
func (k Key) MAC(content []byte, recipient string, keep bool) string {
	h := hmac.New(sha256.New, k[:])
	fmt.Fprintf(h, "%d %s %t ", len(recipient), recipient, keep)
	h.Write(content)
	return hex.EncodeToString(h.Sum(nil))
}
