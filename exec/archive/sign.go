package archive

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"muster/compile/store"
	"muster/exec/nixserve"
)

// Keys and signatures are Nix's own: "<key name>:<base 64>", of a secret key, a public key or an Ed25519 signature.
// `nix-store --generate-binary-cache-key` makes keys.

// A SecretKey signs paths.
type SecretKey struct {
	name string
	key  ed25519.PrivateKey
}

// ParseSecretKey reads a file of nix-store --generate-binary-cache-key. Its errors do not show the key.
func ParseSecretKey(text []byte) (*SecretKey, error) {
	name, raw, err := parseKey(strings.TrimSpace(string(text)), ed25519.PrivateKeySize)
	if err != nil {
		return nil, fmt.Errorf("parse secret key: %w", err)
	}
	key := ed25519.PrivateKey(raw)
	if !key.Equal(ed25519.NewKeyFromSeed(key.Seed())) {
		return nil, fmt.Errorf("parse secret key: its two halves do not belong together")
	}
	return &SecretKey{name: name, key: key}, nil
}

// Public returns the public key.
func (k *SecretKey) Public() PublicKey {
	return PublicKey{name: k.name, key: string(k.key.Public().(ed25519.PublicKey))}
}

// PublicHalves returns the public keys of some.
func PublicHalves(keys []*SecretKey) (public []PublicKey) {
	for _, k := range keys {
		public = append(public, k.Public())
	}
	return public
}

// Sign returns a signature of a text. A text begins with a word that says what is signed, so that no signature is good for
// something else.
func (k *SecretKey) Sign(text string) string {
	return k.name + ":" + base64.StdEncoding.EncodeToString(ed25519.Sign(k.key, []byte(text)))
}

// A PublicKey is a key whose signatures are believed.
type PublicKey struct{ name, key string }

// ParsePublicKey parses a public key, such as cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=.
func ParsePublicKey(s string) (PublicKey, error) {
	name, raw, err := parseKey(s, ed25519.PublicKeySize)
	if err != nil {
		return PublicKey{}, fmt.Errorf("parse public key %q: %w", s, err)
	}
	return PublicKey{name: name, key: string(raw)}, nil
}

// String returns the key as ParsePublicKey reads it.
func (k PublicKey) String() string {
	return k.name + ":" + base64.StdEncoding.EncodeToString([]byte(k.key))
}

// Verifies reports whether sig is a signature of text by the key.
func (k PublicKey) Verifies(text, sig string) bool {
	name, raw, err := parseKey(sig, ed25519.SignatureSize)
	return err == nil && name == k.name && ed25519.Verify(ed25519.PublicKey(k.key), []byte(text), raw)
}

// parseKey splits "<key name>:<base 64>".
func parseKey(s string, size int) (name string, raw []byte, err error) {
	name, text, ok := strings.Cut(s, ":")
	if !ok || name == "" {
		return "", nil, fmt.Errorf("want NAME:BASE64")
	}
	raw, err = base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != size {
		return "", nil, fmt.Errorf("want %d bytes in base 64 after the name", size)
	}
	return name, raw, nil
}

// fingerprint is what Nix signs of a path (ValidPathInfo::fingerprint).
func fingerprint(info nixserve.PathInfo) string {
	refs := make([]string, len(info.References))
	for i, r := range info.References {
		refs[i] = string(r)
	}
	slices.Sort(refs)
	return strings.Join([]string{"1", string(info.Path), info.NARHash.String(), strconv.FormatInt(info.NARSize, 10), strings.Join(refs, ",")}, ";")
}

// manifestFingerprint is what is signed of a manifest: who can say which system is a host's could send it back to an old
// one, whose paths are signed too.
func manifestFingerprint(text []byte) string {
	return "muster-manifest;1;" + store.HashBytes(store.SHA256, text).String()
}

// sign adds the signatures of keys to those that a path has.
func sign(info nixserve.PathInfo, keys []*SecretKey) nixserve.PathInfo {
	info.Signatures = slices.Clone(info.Signatures)
	for _, k := range keys {
		info.Signatures = append(info.Signatures, k.Sign(fingerprint(info)))
	}
	slices.Sort(info.Signatures)
	info.Signatures = slices.Compact(info.Signatures)
	return info
}

// verified returns those signatures of a text that one of keys has made.
func verified(text string, signatures []string, keys []PublicKey) []string {
	return slices.DeleteFunc(slices.Clone(signatures), func(sig string) bool {
		return !slices.ContainsFunc(keys, func(k PublicKey) bool { return k.Verifies(text, sig) })
	})
}
