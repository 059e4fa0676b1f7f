package sshconfig

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// An algorithmSet is what the value of a keyword such as Ciphers chooses from.
type algorithmSet struct {
	known    []string
	defaults []string
	patterns bool // a list that sets or adds algorithms may hold patterns, and names of key types
}

var (
	signatures = []string{
		"ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com", "sk-ssh-ed25519@openssh.com", "sk-ssh-ed25519-cert-v01@openssh.com",
		"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256-cert-v01@openssh.com", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384-cert-v01@openssh.com",
		"ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521-cert-v01@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
		"sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", "webauthn-sk-ecdsa-sha2-nistp256@openssh.com", "ssh-dss", "ssh-dss-cert-v01@openssh.com",
		"ssh-rsa", "ssh-rsa-cert-v01@openssh.com", "rsa-sha2-256", "rsa-sha2-256-cert-v01@openssh.com", "rsa-sha2-512",
		"rsa-sha2-512-cert-v01@openssh.com",
	}
	plainSignatures   = slices.DeleteFunc(slices.Clone(signatures), isCertificate)
	defaultSignatures = []string{
		"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "sk-ssh-ed25519@openssh.com",
		"sk-ecdsa-sha2-nistp256@openssh.com", "rsa-sha2-512", "rsa-sha2-256",
	}
	keys = algorithmSet{known: signatures, patterns: true, defaults: append([]string{
		"ssh-ed25519-cert-v01@openssh.com", "ecdsa-sha2-nistp256-cert-v01@openssh.com", "ecdsa-sha2-nistp384-cert-v01@openssh.com",
		"ecdsa-sha2-nistp521-cert-v01@openssh.com", "sk-ssh-ed25519-cert-v01@openssh.com", "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
		"rsa-sha2-512-cert-v01@openssh.com", "rsa-sha2-256-cert-v01@openssh.com",
	}, defaultSignatures...)}
)

// keyTypes are the short names of key types, which ssh takes for valid though they stand for no algorithm.
var keyTypes = []string{"ed25519", "ed25519-cert", "ed25519-sk", "ed25519-sk-cert", "ecdsa", "ecdsa-cert", "ecdsa-sk", "ecdsa-sk-cert", "rsa", "rsa-cert", "dsa", "dsa-cert"}

func isCertificate(algorithm string) bool { return strings.Contains(algorithm, "-cert-v01@") }

// opensshAlgorithms are those of OpenSSH 9.9.
var opensshAlgorithms = map[string]algorithmSet{
	"ciphers": {
		known: []string{"3des-cbc", "aes128-cbc", "aes192-cbc", "aes256-cbc", "aes128-ctr", "aes192-ctr", "aes256-ctr",
			"aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"},
		defaults: []string{"chacha20-poly1305@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr", "aes128-gcm@openssh.com", "aes256-gcm@openssh.com"},
	},
	"macs": {
		known: []string{"hmac-sha1", "hmac-sha1-96", "hmac-sha2-256", "hmac-sha2-512", "hmac-md5", "hmac-md5-96", "umac-64@openssh.com",
			"umac-128@openssh.com", "hmac-sha1-etm@openssh.com", "hmac-sha1-96-etm@openssh.com", "hmac-sha2-256-etm@openssh.com",
			"hmac-sha2-512-etm@openssh.com", "hmac-md5-etm@openssh.com", "hmac-md5-96-etm@openssh.com", "umac-64-etm@openssh.com",
			"umac-128-etm@openssh.com"},
		defaults: []string{"umac-64-etm@openssh.com", "umac-128-etm@openssh.com", "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com",
			"hmac-sha1-etm@openssh.com", "umac-64@openssh.com", "umac-128@openssh.com", "hmac-sha2-256", "hmac-sha2-512", "hmac-sha1"},
	},
	"kexalgorithms": {
		known: []string{"diffie-hellman-group1-sha1", "diffie-hellman-group14-sha1", "diffie-hellman-group14-sha256", "diffie-hellman-group16-sha512",
			"diffie-hellman-group18-sha512", "diffie-hellman-group-exchange-sha1", "diffie-hellman-group-exchange-sha256", "ecdh-sha2-nistp256",
			"ecdh-sha2-nistp384", "ecdh-sha2-nistp521", "curve25519-sha256", "curve25519-sha256@libssh.org", "sntrup761x25519-sha512",
			"sntrup761x25519-sha512@openssh.com", "mlkem768x25519-sha256"},
		defaults: []string{"sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com", "mlkem768x25519-sha256", "curve25519-sha256",
			"curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
			"diffie-hellman-group-exchange-sha256", "diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512", "diffie-hellman-group14-sha256"},
	},
	"hostkeyalgorithms":           keys,
	"pubkeyacceptedalgorithms":    keys,
	"hostbasedacceptedalgorithms": keys,
	"casignaturealgorithms":       {known: plainSignatures, patterns: true, defaults: defaultSignatures},
}

// check refuses a list that names an algorithm nobody knows. A list of algorithms to leave out may name any.
func (s algorithmSet) check(list string) error {
	if strings.HasPrefix(list, "-") {
		return nil
	}
	names := strings.TrimLeft(list[:1], "+^") + list[1:]
	if names == "" {
		return errNoValue
	}
	for names != "" {
		var name string
		name, names, _ = strings.Cut(names, ",")
		if name == "" {
			return nil // ssh reads no further
		}
		if !s.knows(name) {
			return fmt.Errorf("unknown algorithm %q", name)
		}
	}
	return nil
}

func (s algorithmSet) knows(name string) bool {
	if slices.Contains(s.known, name) {
		return true
	}
	return s.patterns && (slices.Contains(keyTypes, strings.ToLower(name)) ||
		slices.ContainsFunc(signatures, func(known string) bool { return judge(known, name) != noMatch }))
}

// assemble applies a list to the defaults. The list sets the algorithms, or changes the defaults: + (these too),
// - (without these) or ^ (these first).
func (s algorithmSet) assemble(list string) ([]string, error) {
	if list == "" {
		return s.defaults, nil
	}
	var patterns []string
	switch list[0] {
	case '-':
		return slices.DeleteFunc(slices.Clone(s.defaults), func(a string) bool { return judge(a, list[1:]) == match }), nil
	case '+':
		patterns = concatenate(s.defaults, splitNames(list[1:]))
	case '^':
		patterns = concatenate(splitNames(list[1:]), s.defaults)
	default:
		patterns = strings.Split(list, ",")
	}
	var chosen []string
	for _, pattern := range patterns {
		if strings.HasPrefix(pattern, "!") {
			return nil, errors.New(`a pattern with "!" is not possible here`)
		}
		for _, a := range s.known {
			if MatchPattern(a, pattern) && !slices.Contains(chosen, a) {
				chosen = append(chosen, a)
			}
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("%s names no algorithm", list)
	}
	return chosen, nil
}

// splitNames splits a list up to its first empty element.
func splitNames(list string) []string {
	names := strings.Split(list, ",")
	if i := slices.Index(names, ""); i >= 0 {
		names = names[:i]
	}
	return names
}

// concatenate adds to a list what it lacks of another.
func concatenate(list, more []string) []string {
	list = slices.Clone(list)
	for _, name := range more {
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}
