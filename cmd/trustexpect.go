package cmd

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"muster/cmd/flags"
	"muster/exec/foreign"
	"muster/exec/ondemand"
	"muster/exec/remote"
	"muster/schema"
)

// expectation is the kind of what a host key is expected to be.
var expectation = func() flags.Kind[string] {
	kind := flags.Existing()
	exists := kind.Parse
	kind.Name, kind.Want = "expectation", keyFingerprint.Want+", a file of fingerprints or public keys, or - for standard input"
	kind.Parse = func(text string) (string, error) {
		if _, err := keyFingerprint.Parse(text); err == nil || text == fromInput {
			return text, nil
		}
		return exists(text)
	}
	return kind
}()

// expectations are the fingerprints that keys may have, by the name of the host that a
// line is about; "" is any host.
type expectations map[string][]string

// any reports whether something is expected.
func (e expectations) any() bool { return len(e) > 0 }

// names reports whether something is expected of one host.
func (e expectations) names(host string) bool { return len(e[host]) > 0 }

// has reports whether a key is one that is expected of a host.
func (e expectations) has(host string, p *remote.Presented) bool {
	list := e[host]
	if len(list) == 0 {
		list = e[""]
	}
	return slices.Contains(list, p.SHA256)
}

var (
	fingerprintIn = ondemand.Regexp(`SHA256:[A-Za-z0-9+/]{43}`)
	publicKeyIn   = ondemand.Regexp(`(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]{16,}={0,2}`)
	oldPrintIn    = ondemand.Regexp(`([0-9a-f]{2}:){15}[0-9a-f]{2}`)
)

// maxExpected is how large a file of fingerprints may be: a console's whole output.
const maxExpected = 4 << 20

// readExpectations reads the values of --expect.
func readExpectations(std streams, fleet *schema.Fleet, values []string) (expectations, error) {
	e := expectations{}
	for _, value := range values {
		var text []byte
		var err error
		switch {
		case value == fromInput:
			text, err = foreign.ReadAll(std.in, "standard input", maxExpected)
		case fingerprintIn().MatchString(value):
			text = []byte(value)
		default:
			text, err = foreign.ReadFile(value, foreign.Limits{Size: maxExpected, Time: foreign.Time, Links: true})
		}
		if err != nil {
			return nil, usageError{fmt.Errorf("--expect %s: %v", value, err)}
		}
		if err := e.add(fleet, string(text)); err != nil {
			return nil, usageError{fmt.Errorf("--expect %s: %w", value, err)}
		}
	}
	return e, nil
}

// add takes the fingerprints and the public keys out of a text, such as what a cloud's
// console says.
func (e expectations) add(fleet *schema.Fleet, text string) error {
	found := false
	for line := range strings.Lines(text) {
		host, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if host = strings.TrimSuffix(host, ":"); fleet.Host(host) == nil {
			host = ""
		}
		prints := fingerprintIn().FindAllString(line, -1)
		for _, key := range publicKeyIn().FindAllString(line, -1) {
			if p, err := remote.FingerprintOf(key); err == nil {
				prints = append(prints, p.SHA256)
			}
		}
		if len(prints) > 0 {
			e[host] = append(e[host], prints...)
			found = true
		}
	}
	switch {
	case found:
		return nil
	case oldPrintIn().MatchString(text):
		return errors.New("it has fingerprints by MD5, which is broken: want SHA256, such as from ssh-keygen -l -E sha256")
	}
	return errors.New("no fingerprint SHA256:… and no public key is in it")
}
