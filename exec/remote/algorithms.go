package remote

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"muster/exec/remote/sshconfig"
)

// supported are those of the configured algorithms that this package has, in the order of the configuration.
func supported(keyword string, configured, have []string) ([]string, error) {
	list := slices.DeleteFunc(slices.Clone(configured), func(a string) bool { return !slices.Contains(have, a) })
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: %s leaves %s, of which muster has none: it has %s", ErrNoAlgorithm, keyword, orNone(configured), strings.Join(have, ", "))
	}
	return list, nil
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "no algorithm"
	}
	return strings.Join(list, ", ")
}

// transportConfig is what the settings say about the encryption of a connection. What they do not name is x/crypto's own
// choice, which is both safe and fast.
func transportConfig(s *sshconfig.Settings) (config ssh.Config, err error) {
	config.RekeyThreshold = uint64(max(s.RekeyLimit, 0))
	good, weak := ssh.SupportedAlgorithms(), ssh.InsecureAlgorithms()
	for _, list := range []struct {
		keyword    string
		configured []string
		have       []string
		set        *[]string
	}{
		{"KexAlgorithms", s.KexAlgorithms, slices.Concat(good.KeyExchanges, weak.KeyExchanges), &config.KeyExchanges},
		{"Ciphers", s.Ciphers, slices.Concat(good.Ciphers, weak.Ciphers), &config.Ciphers},
		{"MACs", s.MACs, slices.Concat(good.MACs, weak.MACs), &config.MACs},
	} {
		if list.configured == nil {
			continue
		}
		if *list.set, err = supported(list.keyword, list.configured, list.have); err != nil {
			return config, err
		}
	}
	return config, nil
}

// signingAlgorithms are the algorithms by which a key may sign.
func signingAlgorithms(keyType string) []string {
	switch keyType {
	case ssh.KeyAlgoRSA:
		return []string{ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSA}
	case ssh.CertAlgoRSAv01:
		return []string{ssh.CertAlgoRSASHA256v01, ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSAv01}
	}
	return []string{keyType}
}

// restrict lets a key sign by the accepted algorithms alone, which are those of PubkeyAcceptedAlgorithms. It returns nil if
// there are none.
func restrict(signer ssh.Signer, accepted []string) ssh.Signer {
	var names []string
	for _, a := range accepted {
		if slices.Contains(signingAlgorithms(signer.PublicKey().Type()), a) {
			names = append(names, strings.TrimSuffix(a, "-cert-v01@openssh.com"))
		}
	}
	if len(names) == 0 {
		return nil
	}
	plain, ok := signer.(ssh.AlgorithmSigner)
	if !ok || rsaBits(signer.PublicKey()) == 0 {
		return signer
	}
	restricted, err := ssh.NewSignerWithAlgorithms(plain, names)
	if err != nil {
		return signer // an agent's key signs by what the server takes
	}
	return restricted
}
