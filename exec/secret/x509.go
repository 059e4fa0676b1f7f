package secret

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"time"

	"muster/schema"
)

// authorityDays is how long the certificate of an authority that muster makes is valid.
const authorityDays = 3650

// Certificate makes a private key and a certificate for the names, which begin now. It is
// signed by the authority, whose key and certificate are in PEM, or by itself. content is
// the key and the certificate, in PEM; certificate is what may be known of it.
func Certificate(g schema.Generate, authority []byte, now time.Time) (content, certificate []byte, err error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: g.CommonName},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		NotAfter:    now.AddDate(0, 0, cmp.Or(g.Days, schema.CertificateDays)),
	}
	if g.CommonName == "" {
		template.Subject.CommonName = g.Names[0]
	}
	if g.Organization != "" {
		template.Subject.Organization = []string{g.Organization}
	}
	for _, name := range g.Names {
		if addr, err := netip.ParseAddr(name); err == nil {
			template.IPAddresses = append(template.IPAddresses, addr.AsSlice())
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	if authority == nil {
		return certify(template, nil, nil, now)
	}
	key, parent, err := parsePair(authority)
	if err != nil {
		return nil, nil, fmt.Errorf("read the authority: %w", err)
	}
	if !parent.IsCA {
		return nil, nil, errors.New("read the authority: its certificate is not that of an authority")
	}
	if template.NotAfter.After(parent.NotAfter) {
		template.NotAfter = parent.NotAfter
	}
	return certify(template, parent, key, now)
}

// ClientCertificate makes a private key and a certificate for a client of that name, in
// groups, for a while. It is signed by the authority, whose key and certificate are in PEM.
func ClientCertificate(name string, groups []string, lifetime time.Duration, authority []byte, now time.Time) (key, certificate []byte, err error) {
	parentKey, parent, err := parsePair(authority)
	if err != nil {
		return nil, nil, fmt.Errorf("read the authority: %w", err)
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: name, Organization: groups},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		NotAfter:    now.Add(lifetime),
	}
	if template.NotAfter.After(parent.NotAfter) {
		template.NotAfter = parent.NotAfter
	}
	content, certificate, err := certify(template, parent, parentKey, now)
	return bytes.TrimSuffix(content, certificate), certificate, err
}

// Authority makes the key and certificate of an authority.
func Authority(name string, now time.Time) (content, certificate []byte, err error) {
	return certify(&x509.Certificate{
		Subject:  pkix.Name{CommonName: name},
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:     true,
		NotAfter: now.AddDate(0, 0, authorityDays),
	}, nil, nil, now)
}

// certify makes a key and a certificate of it, signed by the parent or by itself.
func certify(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey, now time.Time) (content, certificate []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	template.BasicConstraintsValid = true
	template.NotBefore = now.Add(-time.Hour) // clocks differ
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		return nil, nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), certificate...), certificate, nil
}

// parsePair reads a private key and its certificate in PEM.
func parsePair(content []byte) (key *ecdsa.PrivateKey, certificate *x509.Certificate, err error) {
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == "CERTIFICATE" && certificate == nil:
			if certificate, err = x509.ParseCertificate(block.Bytes); err != nil {
				return nil, nil, errors.New("its certificate is damaged")
			}
		case block.Type == "PRIVATE KEY" && key == nil:
			any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return nil, nil, errors.New("its private key is damaged")
			}
			key, _ = any.(*ecdsa.PrivateKey)
		}
	}
	switch {
	case key == nil:
		return nil, nil, errors.New("it has no ECDSA private key")
	case certificate == nil:
		return nil, nil, errors.New("it has no certificate")
	}
	if public, err := x509.MarshalPKIXPublicKey(key.Public()); err != nil || !bytes.Equal(public, certificate.RawSubjectPublicKeyInfo) {
		return nil, nil, errors.New("its certificate is that of another key")
	}
	return key, certificate, nil
}

// CertificateTime returns when the certificate of a generated secret begins and ends.
func CertificateTime(content []byte) (begins, ends time.Time, err error) {
	_, certificate, err := parsePair(content)
	if err != nil {
		return time.Time{}, time.Time{}, err
	}
	return certificate.NotBefore, certificate.NotAfter, nil
}
