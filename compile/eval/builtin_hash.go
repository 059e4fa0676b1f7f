package eval

import (
	"errors"
	"strings"

	"muster/compile/store"
)

// hashBuiltins compute and convert hashes.
var hashBuiltins = []*builtin{
	fn2("hashString", hashString),
	fn2("hashFile", hashFile),
	fn1("convertHash", convertHash),
	fn1("placeholder", func(th *thread, x value) value { return stringValue(store.Placeholder(th.wantPlainString(x, 0))) }),
}

func (th *thread) wantAlgo(v value) store.Algo {
	name := th.wantPlainString(v, 0)
	algo, err := store.ParseAlgo(name)
	if name == "blake3" {
		th.leaveToNix("blake3-hashes", 0)
	}
	if err != nil {
		th.fail(0, "unknown hash algorithm '%s', expect 'blake3', 'md5', 'sha1', 'sha256', or 'sha512'", name)
	}
	return algo
}

// parseHash parses a hash. algo is the algorithm of a hash that does not name
// one.
func (th *thread) parseHash(s string, algo store.Algo, pos posID) store.Hash {
	h, err := store.ParseHash(s, algo)
	switch {
	case err == nil:
	case strings.HasPrefix(s, "blake3-") || strings.HasPrefix(s, "blake3:"):
		th.leaveToNix("blake3-hashes", pos)
	case errors.Is(err, store.ErrOtherAlgo):
		th.fail(pos, "hash '%s' should have type '%s'", s, algo)
	case errors.Is(err, store.ErrNoAlgo):
		th.fail(pos, "hash '%s' does not include a type, nor is the type otherwise known from context", s)
	case errors.Is(err, store.ErrHashLength):
		if i := strings.IndexAny(s, ":-"); i >= 0 {
			algo = store.Algo(s[:i])
		}
		th.fail(pos, "hash '%s' has wrong length for hash algorithm '%s'", s, algo)
	default:
		th.fail(pos, "%v", err)
	}
	return h
}

func hashString(th *thread, algo, x value) value {
	a := th.wantAlgo(algo)
	s := th.wantString(x, 0).str()
	th.observe(s)
	return stringValue(store.HashString(a, s).Base16())
}

func hashFile(th *thread, algo, x value) value {
	a := th.wantAlgo(algo)
	return stringValue(th.hashFileAt(th.readablePath(x), a).Base16())
}

// convertHash converts a hash to another spelling.
func convertHash(th *thread, x value) value {
	attrs := th.wantSet(x, 0)
	text := th.wantPlainString(th.wantAttr(attrs, intern("hash")), 0)
	var algo store.Algo
	if a := find(attrs, intern("hashAlgo")); a != nil {
		algo = th.wantAlgo(a.v)
	}
	h := th.parseHash(text, algo, 0)
	format := th.wantPlainString(th.wantAttr(attrs, intern("toHashFormat")), 0)
	switch format {
	case "base16":
		return stringValue(h.Base16())
	case "nix32", "base32":
		return stringValue(h.Base32())
	case "base64":
		return stringValue(h.Base64())
	case "sri":
		return stringValue(h.SRI())
	}
	th.fail(0, "unknown hash format '%s', expect 'base16', 'base32', 'base64', or 'sri'", format)
	return value{}
}
