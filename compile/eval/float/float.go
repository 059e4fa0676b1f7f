// Package float writes floats as Nix does: in JSON (JSON), and like C's printf
// (Printf) in toString, toXML and printed values.
//
// Nix's JSON library uses Grisu2, which nearly always yields the shortest digits
// that are read back as the number, but now and then one digit more. strconv
// always yields the shortest, so it cannot be used for JSON.
package float

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// JSON writes a number that is read back as f, with a point or an exponent so
// that it remains a float. JSON has no infinities and no NaN: they become null.
func JSON(f float64) string {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return "null"
	}
	sign := ""
	if math.Signbit(f) {
		sign = "-"
	}
	if f == 0 {
		return sign + "0.0"
	}
	d, exponent := grisu2(math.Abs(f))
	digits, point := string(d), len(d)+exponent // 0.digits × 10^point
	switch {
	case exponent >= 0 && point <= 15:
		return sign + digits + strings.Repeat("0", exponent) + ".0"
	case point > 0 && point <= 15:
		return sign + digits[:point] + "." + digits[point:]
	case point > -4 && point <= 0:
		return sign + "0." + strings.Repeat("0", -point) + digits
	}
	if len(digits) > 1 {
		digits = digits[:1] + "." + digits[1:]
	}
	return fmt.Sprintf("%s%se%+03d", sign, digits, point-1)
}

// Printf writes f as C's printf does with %g (format 'g': six significant
// digits) or %f (format 'f': six digits after the point).
func Printf(f float64, format byte) string {
	sign := ""
	if math.Signbit(f) {
		sign = "-" // also before nan: processors set the sign of NaN
	}
	switch {
	case math.IsInf(f, 0):
		return sign + "inf"
	case math.IsNaN(f):
		return sign + "nan"
	}
	return strconv.FormatFloat(f, format, 6, 64)
}
