package store

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
)

// An Algo is a hash algorithm as Nix spells it: "md5", "sha1", "sha256" or "sha512".
type Algo string

const (
	MD5    Algo = "md5"
	SHA1   Algo = "sha1"
	SHA256 Algo = "sha256"
	SHA512 Algo = "sha512"
)

// ParseAlgo parses the name of a hash algorithm.
func ParseAlgo(s string) (Algo, error) {
	a := Algo(s)
	if a.Size() == 0 {
		return "", fmt.Errorf("unknown hash algorithm %q: want md5, sha1, sha256 or sha512", s)
	}
	return a, nil
}

// Size returns the length of a digest in bytes, 0 for an unknown algorithm.
func (a Algo) Size() int {
	switch a {
	case MD5:
		return md5.Size
	case SHA1:
		return sha1.Size
	case SHA256:
		return sha256.Size
	case SHA512:
		return sha512.Size
	}
	return 0
}

// New returns a new hash. The algorithm must be one of the four.
func (a Algo) New() hash.Hash {
	switch a {
	case MD5:
		return md5.New()
	case SHA1:
		return sha1.New()
	case SHA256:
		return sha256.New()
	case SHA512:
		return sha512.New()
	}
	panic(fmt.Sprintf("store: unknown hash algorithm %q", string(a)))
}

// A Hash is a digest and its algorithm. Hashes can be compared with ==; the zero Hash is none.
type Hash struct {
	algo Algo
	sum  [sha512.Size]byte // the first algo.Size() bytes
}

// NewHash makes a Hash of a digest, which must have the algorithm's length.
func NewHash(a Algo, sum []byte) (Hash, error) {
	if a.Size() == 0 || len(sum) != a.Size() {
		return Hash{}, fmt.Errorf("a digest of %d bytes is not a %s hash", len(sum), a)
	}
	h := Hash{algo: a}
	copy(h.sum[:], sum)
	return h, nil
}

// HashBytes hashes b.
func HashBytes(a Algo, b []byte) Hash {
	w := a.New()
	w.Write(b)
	return sumOf(a, w)
}

// HashString hashes s.
func HashString(a Algo, s string) Hash { return HashBytes(a, []byte(s)) }

// sumOf returns the sum of a running hash.
func sumOf(a Algo, w hash.Hash) Hash {
	h := Hash{algo: a}
	w.Sum(h.sum[:0])
	return h
}

// Errors of [ParseHash].
var (
	ErrNoAlgo     = errors.New("it does not include an algorithm, nor is it known from context")
	ErrHashLength = errors.New("the wrong length")
	ErrOtherAlgo  = errors.New("it is of another algorithm")
)

// ParseHash reads a hash in any spelling that Nix accepts: base 16, Nix's base 32 or base 64, distinguished by length,
// with or without the prefix "<algo>:", or "<algo>-<base64>" (SRI). If want is set, the text may omit the algorithm and
// must not name another one.
func ParseHash(s string, want Algo) (Hash, error) {
	algo, rest, sri := want, s, false
	if before, after, ok := strings.Cut(s, ":"); ok {
		algo, rest = Algo(before), after
	} else if before, after, ok := strings.Cut(s, "-"); ok {
		algo, rest, sri = Algo(before), after, true
	} else if want == "" {
		return Hash{}, fmt.Errorf("parse hash %q: %w", s, ErrNoAlgo)
	}
	if algo.Size() == 0 {
		return Hash{}, fmt.Errorf("parse hash %q: unknown hash algorithm %q", s, string(algo))
	}
	if want != "" && want != algo {
		return Hash{}, fmt.Errorf("parse hash %q: want a %s hash: %w", s, want, ErrOtherAlgo)
	}
	sum, err := decodeSum(rest, algo.Size(), sri)
	if err != nil {
		return Hash{}, fmt.Errorf("parse hash %q: %w", s, err)
	}
	h, err := NewHash(algo, sum)
	if err != nil {
		return Hash{}, fmt.Errorf("parse hash %q: %w", s, err)
	}
	return h, nil
}

// decodeSum decodes a digest of size bytes. Its length tells the spelling; SRI is always base 64.
func decodeSum(s string, size int, sri bool) ([]byte, error) {
	switch {
	case !sri && len(s) == hex.EncodedLen(size):
		b, err := hex.DecodeString(s)
		if err != nil {
			return nil, errors.New("not base 16")
		}
		return b, nil
	case !sri && len(s) == base32Len(size):
		return DecodeBase32(s)
	case sri || len(s) == base64.StdEncoding.EncodedLen(size):
		return decodeBase64(s)
	}
	return nil, fmt.Errorf("%d characters is %w", len(s), ErrHashLength)
}

// decodeBase64 decodes as Nix does: it accepts missing padding, and ignores line ends, left-over bits and everything
// after the padding.
func decodeBase64(s string) ([]byte, error) {
	s, _, _ = strings.Cut(strings.ReplaceAll(s, "\n", ""), "=")
	if len(s)%4 == 1 {
		s = s[:len(s)-1] // the last six bits are not a byte
	}
	b, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil || strings.Contains(s, "\r") {
		return nil, errors.New("not base 64")
	}
	return b, nil
}

// Algo returns the algorithm, "" for the zero Hash.
func (h Hash) Algo() Algo { return h.algo }

// IsZero reports whether h is the zero Hash.
func (h Hash) IsZero() bool { return h.algo == "" }

// Bytes returns a copy of the digest.
func (h Hash) Bytes() []byte { return append([]byte(nil), h.sum[:h.algo.Size()]...) }

// Base16 returns the digest alone, in lower case.
func (h Hash) Base16() string { return hex.EncodeToString(h.sum[:h.algo.Size()]) }

// Base32 returns the digest alone in Nix's base 32.
func (h Hash) Base32() string { return EncodeBase32(h.sum[:h.algo.Size()]) }

// Base64 returns the digest alone in base 64 with padding.
func (h Hash) Base64() string { return base64.StdEncoding.EncodeToString(h.sum[:h.algo.Size()]) }

// SRI returns "<algo>-<base64>", as in sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=.
func (h Hash) SRI() string { return string(h.algo) + "-" + h.Base64() }

// String returns "<algo>:<base32>", which is how Nix stores the hashes of archives.
func (h Hash) String() string {
	if h.IsZero() {
		return ""
	}
	return string(h.algo) + ":" + h.Base32()
}

// CompressHash folds a digest to n bytes by xor, as Nix does with the SHA-256 of a fingerprint for the 20 bytes of a
// store path's digest.
func CompressHash(sum []byte, n int) []byte {
	out := make([]byte, n)
	for i, b := range sum {
		out[i%n] ^= b
	}
	return out
}
