package secret

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"time"
)

// Pairs splits a text in PEM into private keys, each with the certificates that follow it.
// An authority that is about to be replaced has two: the one that signs, and the next.
func Pairs(content []byte) [][]byte {
	var all [][]byte
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == "PRIVATE KEY":
			all = append(all, pem.EncodeToMemory(block))
		case len(all) > 0:
			all[len(all)-1] = append(all[len(all)-1], pem.EncodeToMemory(block)...)
		}
	}
	return all
}

// Certificates splits a text in PEM into certificates.
func Certificates(text []byte) [][]byte {
	var all [][]byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			all = append(all, pem.EncodeToMemory(block))
		}
	}
	return all
}

// NextAuthority adds another authority to the pair of one that signs. Both certificates
// are returned, for those who are to trust both.
func NextAuthority(signing []byte, name string, now time.Time) (content, certificates []byte, err error) {
	if _, _, err := parsePair(signing); err != nil {
		return nil, nil, err
	}
	next, certificate, err := Authority(name, now)
	if err != nil {
		return nil, nil, err
	}
	return append(bytes.Clone(signing), next...), append(bytes.Join(Certificates(signing), nil), certificate...), nil
}

// SignedBy reports whether the first certificate of a text is signed by the first of an
// authority's.
func SignedBy(text, authority []byte) error {
	leaf, err := firstCertificate(text)
	if err != nil {
		return err
	}
	parent, err := firstCertificate(authority)
	if err != nil {
		return err
	}
	if leaf.CheckSignatureFrom(parent) != nil {
		return errors.New("it is signed by another authority")
	}
	return nil
}

func firstCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}
