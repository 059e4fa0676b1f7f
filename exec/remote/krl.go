package remote

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/ssh"
)

// A revocationList is a key revocation list, as ssh-keygen -k makes it. The format is OpenSSH's PROTOCOL.krl.
type revocationList struct {
	keys       map[string]bool // public keys, in wire format
	sha1Sums   map[string]bool // of public keys
	sha256Sums map[string]bool
	authority  []revokedCertificates
}

// revokedCertificates are the revoked certificates of one authority.
type revokedCertificates struct {
	authority []byte // its key; empty: of all authorities
	serials   []serialRange
	bitmaps   []serialBitmap
	ids       map[string]bool
}

type serialRange struct{ first, last uint64 }

type serialBitmap struct {
	offset uint64
	bits   *big.Int
}

// krlMagic begins a key revocation list.
var krlMagic = []byte("SSHKRL\n\x00")

// The sections of a list, and those of its certificates.
const (
	krlCertificates = 1
	krlKey          = 2
	krlSHA1         = 3
	krlSHA256       = 5
	krlExtension    = 255

	krlSerials       = 0x20
	krlSerialRange   = 0x21
	krlSerialBitmap  = 0x22
	krlKeyID         = 0x23
	krlCertExtension = 0x39
)

// parseKRL reads a key revocation list. What it does not know is an error: it could revoke something.
func parseKRL(data []byte) (*revocationList, error) {
	list := &revocationList{keys: map[string]bool{}, sha1Sums: map[string]bool{}, sha256Sums: map[string]bool{}}
	r := &wireReader{rest: data[len(krlMagic):]}
	if version := r.uint32(); r.err == nil && version != 1 {
		return nil, fmt.Errorf("version %d of the format is not known", version)
	}
	r.uint64() // number of the list
	r.uint64() // when it was made
	r.uint64() // flags
	r.bytes()  // reserved
	r.bytes()  // comment
	for r.err == nil && len(r.rest) > 0 {
		kind, section := r.byte(), &wireReader{rest: r.bytes()}
		if r.err != nil {
			break
		}
		if err := list.section(kind, section); err != nil {
			return nil, err
		}
	}
	return list, r.err
}

func (list *revocationList) section(kind byte, s *wireReader) error {
	switch kind {
	case krlCertificates:
		certificates, err := parseRevokedCertificates(s)
		list.authority = append(list.authority, certificates)
		return err
	case krlKey:
		return s.strings(list.keys)
	case krlSHA1:
		return s.strings(list.sha1Sums)
	case krlSHA256:
		return s.strings(list.sha256Sums)
	case krlExtension:
		return s.extension()
	}
	return fmt.Errorf("section of kind %d is not known", kind)
}

func parseRevokedCertificates(s *wireReader) (revokedCertificates, error) {
	c := revokedCertificates{authority: s.bytes(), ids: map[string]bool{}}
	s.bytes() // reserved
	for s.err == nil && len(s.rest) > 0 {
		kind, sub := s.byte(), &wireReader{rest: s.bytes()}
		if s.err != nil {
			break
		}
		switch kind {
		case krlSerials:
			for sub.err == nil && len(sub.rest) > 0 {
				serial := sub.uint64()
				c.serials = append(c.serials, serialRange{first: serial, last: serial})
			}
		case krlSerialRange:
			c.serials = append(c.serials, serialRange{first: sub.uint64(), last: sub.uint64()})
		case krlSerialBitmap:
			c.bitmaps = append(c.bitmaps, serialBitmap{offset: sub.uint64(), bits: new(big.Int).SetBytes(sub.bytes())})
		case krlKeyID:
			sub.err = sub.strings(c.ids)
		case krlCertExtension:
			sub.err = sub.extension()
		default:
			return c, fmt.Errorf("section of certificates of kind %#x is not known", kind)
		}
		if sub.err != nil {
			return c, sub.err
		}
	}
	return c, s.err
}

// revokes reports whether a list revokes a key, or a certificate by its key, its authority, its serial or its name.
func (list *revocationList) revokes(key ssh.PublicKey) bool {
	if list.revokesKey(plainKey(key)) {
		return true
	}
	cert, ok := key.(*ssh.Certificate)
	if !ok {
		return false
	}
	if list.revokesKey(plainKey(cert.SignatureKey)) {
		return true
	}
	for _, c := range list.authority {
		if (len(c.authority) == 0 || bytes.Equal(c.authority, cert.SignatureKey.Marshal())) && c.revokes(cert) {
			return true
		}
	}
	return false
}

func (list *revocationList) revokesKey(key ssh.PublicKey) bool {
	wire := key.Marshal()
	sum1, sum256 := sha1.Sum(wire), sha256.Sum256(wire)
	return list.keys[string(wire)] || list.sha1Sums[string(sum1[:])] || list.sha256Sums[string(sum256[:])]
}

// revokes reports whether a certificate of the authority is revoked. A serial of 0 is none.
func (c *revokedCertificates) revokes(cert *ssh.Certificate) bool {
	if c.ids[cert.KeyId] {
		return true
	}
	if cert.Serial == 0 {
		return false
	}
	for _, s := range c.serials {
		if s.first <= cert.Serial && cert.Serial <= s.last {
			return true
		}
	}
	for _, b := range c.bitmaps {
		if cert.Serial >= b.offset && cert.Serial-b.offset < uint64(b.bits.BitLen()) && b.bits.Bit(int(cert.Serial-b.offset)) == 1 {
			return true
		}
	}
	return false
}

// A wireReader reads values in the format of the SSH protocol. After an error it reads nothing.
type wireReader struct {
	rest []byte
	err  error
}

var errShort = errors.New("it ends too early")

func (r *wireReader) take(n uint64) []byte {
	if r.err != nil || uint64(len(r.rest)) < n {
		r.err = errShort
		return make([]byte, min(n, 8))
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *wireReader) byte() byte     { return r.take(1)[0] }
func (r *wireReader) uint32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *wireReader) uint64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }
func (r *wireReader) bytes() []byte  { return r.take(uint64(r.uint32())) }

// strings reads texts up to the end, of which there must be one.
func (r *wireReader) strings(into map[string]bool) error {
	for first := true; r.err == nil && (first || len(r.rest) > 0); first = false {
		into[string(r.bytes())] = true
	}
	return r.err
}

// extension reads an extension, none of which is known.
func (r *wireReader) extension() error {
	name, critical := r.bytes(), r.byte() != 0
	r.bytes()
	if r.err == nil && critical {
		return fmt.Errorf("extension %q is not known", name)
	}
	return r.err
}
