package schema

import (
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"net/netip"
	"slices"
	"strings"
	"time"

	"muster/exec/foreign"
)

// CertificateDays is how long a generated certificate is valid by default.
const CertificateDays = 365

// CertificateFile is where the certificate of a generated secret is, in plain text, beside
// the encrypted file of its key.
func CertificateFile(age string) string { return strings.TrimSuffix(age, ".age") + ".crt" }

// CertificateEnding reports whether a certificate is to be renewed: a third of its time is
// left, or thirty days.
func CertificateEnding(begins, ends, now time.Time) bool {
	return now.After(ends.Add(-min(30*24*time.Hour, ends.Sub(begins)/3)))
}

// readCertificate reads a certificate in PEM.
func readCertificate(name string) *x509.Certificate {
	text, err := foreign.ReadFile(name, foreign.Limits{Size: MaxFileSize, Time: foreign.Time, Links: true})
	if err != nil {
		return nil
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return cert
}

// certificate checks the certificate beside a generated secret.
func (c *checker) certificate(s *Secret, path string, now time.Time) {
	if s.Generate.Kind != "x509" || c.lookFor(s.Age) == nil {
		return
	}
	warn := func(format string, args ...any) {
		e := c.report.warn(s.PosOf("generate"), path+".generate", "certificate", format, args...)
		e.Hint = "muster secrets rotate " + s.Name + " makes a new one"
		if s.derived {
			e.Hint = "muster deploy and muster secrets renew make a new one before it ends; muster secrets rotate " + s.Name + " --on HOST makes one now"
		}
	}
	file := CertificateFile(s.Age)
	cert := readCertificate(c.absolute(file))
	if cert == nil {
		warn("no certificate in %s: nothing tells when it ends", quote(file))
		return
	}
	switch end := cert.NotAfter.UTC().Format(time.DateOnly); {
	case s.derived && s.Name == CertServiceAccount: // only its key is used
	case now.After(cert.NotAfter):
		warn("the certificate in %s has ended on %s", quote(file), end)
	case CertificateEnding(cert.NotBefore, cert.NotAfter, now):
		warn("the certificate in %s ends on %s", quote(file), end)
	}
	if names := certificateNames(cert); !slices.Equal(names, slices.Sorted(slices.Values(s.Generate.Names))) {
		warn("the certificate in %s is for %s", quote(file), strings.Join(names, ", "))
	}
	if s.Generate.Authority == "" {
		return
	}
	parent := readCertificate(c.absolute(CertificateFile(s.Generate.Authority)))
	if parent == nil || cert.CheckSignatureFrom(parent) != nil {
		warn("the certificate in %s is not signed by the one in %s", quote(file), quote(CertificateFile(s.Generate.Authority)))
	}
	if parent != nil {
		c.authority(s, path, parent, now)
	}
}

// Outlives reports whether a certificate that is made now would end after its authority.
func (g *Generate) Outlives(authorityEnds, now time.Time) bool {
	return now.AddDate(0, 0, cmp.Or(g.Days, CertificateDays)).After(authorityEnds)
}

// authority checks that an authority does not end before what it signs.
func (c *checker) authority(s *Secret, path string, parent *x509.Certificate, now time.Time) {
	if !s.Generate.Outlives(parent.NotAfter, now) {
		return
	}
	days := cmp.Or(s.Generate.Days, CertificateDays)
	e := c.report.warn(s.PosOf("generate"), path+".generate.authority", "certificate", "the authority in %s ends on %s, before a certificate of %d days would", quote(CertificateFile(s.Generate.Authority)), parent.NotAfter.UTC().Format(time.DateOnly), days)
	e.Hint = "muster secrets rotate " + s.Generate.Authority + " replaces it, in three steps"
}

// certificateNames are the names of a certificate, sorted.
func certificateNames(cert *x509.Certificate) []string {
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		if addr, ok := netip.AddrFromSlice(ip); ok {
			names = append(names, addr.String())
		}
	}
	slices.Sort(names)
	return names
}
