package schema

import (
	"path/filepath"
	"time"
)

// An EndingCertificate is one of the cluster's that ends soon, or has ended.
type EndingCertificate struct {
	Secret *Secret
	Host   *Host
	Ends   time.Time
}

// EndingCertificates are the cluster's certificates of some hosts that are to be renewed, in
// the order of the hosts. That of the key of service accounts is none: nobody asks when it
// ends, and another key would end all tokens.
func (f *Fleet) EndingCertificates(hosts []*Host, now time.Time) []EndingCertificate {
	if f.Kluster == nil || f.Kluster.PKI == "" {
		return nil
	}
	var all []EndingCertificate
	for _, h := range hosts {
		for _, s := range h.AllSecrets {
			if !s.derived || s.Generate.Kind != "x509" || s.Name == CertServiceAccount {
				continue
			}
			file := CertificateFile(s.Age)
			if !filepath.IsAbs(file) {
				file = filepath.Join(f.Dir, file)
			}
			if cert := readCertificate(file); cert != nil && CertificateEnding(cert.NotBefore, cert.NotAfter, now) {
				all = append(all, EndingCertificate{Secret: s, Host: h, Ends: cert.NotAfter})
			}
		}
	}
	return all
}
