package store

import "fmt"

// Nix writes hashes in a base 32 of its own. The digits lack e, o, t and u, so that no words appear. Bytes are taken
// from the last to the first, the most significant five bits first and the incomplete digit at the front.
const base32Digits = "0123456789abcdfghijklmnpqrsvwxyz"

const notBase32 = 0xff

// base32Value holds the value of each digit, and notBase32 for every other byte.
var base32Value = func() (v [256]byte) {
	for i := range v {
		v[i] = notBase32
	}
	for i := range len(base32Digits) {
		v[base32Digits[i]] = byte(i)
	}
	return v
}()

// base32Len returns the number of digits for n bytes.
func base32Len(n int) int { return (n*8 + 4) / 5 }

// EncodeBase32 writes bytes in Nix's base 32.
func EncodeBase32(b []byte) string {
	out := make([]byte, base32Len(len(b)))
	for i := range out {
		bit := (len(out) - 1 - i) * 5
		at, shift := bit/8, bit%8
		digit := b[at] >> shift
		if at+1 < len(b) {
			digit |= b[at+1] << (8 - shift)
		}
		out[i] = base32Digits[digit&31]
	}
	return string(out)
}

// DecodeBase32 reads Nix's base 32. It returns an error for a text that EncodeBase32 never writes: of an impossible
// length, or with bits set beyond the last byte.
func DecodeBase32(s string) ([]byte, error) {
	n := len(s) * 5 / 8
	if base32Len(n) != len(s) {
		return nil, fmt.Errorf("decode base-32 %q: impossible length of %d digits", s, len(s))
	}
	out := make([]byte, n)
	for i := range len(s) {
		digit := base32Value[s[i]]
		if digit == notBase32 {
			return nil, fmt.Errorf("decode base-32 %q: %q is not a digit", s, s[i])
		}
		bit := (len(s) - 1 - i) * 5
		at, shift := bit/8, bit%8
		over := digit >> (8 - shift)
		if at < n {
			out[at] |= digit << shift
		} else {
			over = digit
		}
		if at+1 < n {
			out[at+1] |= over
		} else if over != 0 {
			return nil, fmt.Errorf("decode base-32 %q: the first digit is too large", s)
		}
	}
	return out, nil
}
