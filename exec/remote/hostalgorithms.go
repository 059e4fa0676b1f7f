package remote

import (
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// algorithms orders the algorithms by which the host may sign. Those of known keys come first, so that a server with
// several keys presents a known one. The others follow, so that a server whose key has changed is told apart from one
// that cannot be talked to. configured is the value of HostKeyAlgorithms, nil where it is not set.
func (h *hostKeys) algorithms(configured []string) ([]string, error) {
	allowed := ssh.SupportedAlgorithms().HostKeys
	slices.SortStableFunc(allowed, func(a, b string) int { return preference(a) - preference(b) })
	if configured != nil {
		var err error
		if allowed, err = supported("HostKeyAlgorithms", configured, slices.Concat(allowed, ssh.InsecureAlgorithms().HostKeys)); err != nil {
			return nil, err
		}
	}
	var ordered []string
	for _, a := range slices.Concat(h.certificateAlgorithms(allowed), h.keyAlgorithms(), allowed) {
		if slices.Contains(allowed, a) && !slices.Contains(ordered, a) {
			ordered = append(ordered, a)
		}
	}
	return ordered, nil
}

// certificateAlgorithms are those of certificates, if an authority is known.
func (h *hostKeys) certificateAlgorithms(allowed []string) []string {
	isAuthority := func(k knownKey) bool { return k.authority }
	if !slices.ContainsFunc(slices.Concat(h.known, h.portless), isAuthority) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(allowed), func(a string) bool { return !isCertificate(a) })
}

// keyAlgorithms are those of the known plain keys.
func (h *hostKeys) keyAlgorithms() (algorithms []string) {
	for _, k := range slices.Concat(h.known, h.portless) {
		switch {
		case k.authority:
		case k.key.Type() == ssh.KeyAlgoRSA:
			algorithms = append(algorithms, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSA)
		default:
			algorithms = append(algorithms, k.key.Type())
		}
	}
	return algorithms
}

func isCertificate(algorithm string) bool { return strings.Contains(algorithm, "-cert-v01@") }

// preference orders the algorithms for a host of which no key is known.
func preference(algorithm string) int {
	switch {
	case isCertificate(algorithm):
		return 2
	case algorithm == ssh.KeyAlgoED25519:
		return 0
	}
	return 1
}
