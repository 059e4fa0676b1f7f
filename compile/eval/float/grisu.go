package float

import (
	"math"
	"math/big"
	"math/bits"
	"sync"
)

// A scaled is the number f × 2^e.
type scaled struct {
	f uint64
	e int
}

func (x scaled) normalized() scaled {
	n := bits.LeadingZeros64(x.f)
	return scaled{x.f << n, x.e - n}
}

// times returns the product, rounded to 64 bits.
func (x scaled) times(y scaled) scaled {
	hi, lo := bits.Mul64(x.f, y.f)
	return scaled{hi + lo>>63, x.e + y.e + 64}
}

// Grisu multiplies with every eighth power of ten from 10^-300 on.
const firstPower, powerStep, powers = -300, 8, 79

var powersOfTen = sync.OnceValue(func() (all [powers]scaled) {
	for i := range all {
		k := int64(firstPower + i*powerStep)
		ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(max(k, -k)), nil)
		shift := 64 - ten.BitLen()
		f := new(big.Int)
		if k >= 0 {
			all[i].e = -shift
			// One more bit, to round by.
			f.Rsh(f.Lsh(ten, uint(shift+1100)), 1099)
		} else {
			shift = 63 + ten.BitLen()
			all[i].e = -shift
			f.Quo(f.Lsh(big.NewInt(1), uint(shift+1)), ten)
		}
		all[i].f = f.Rsh(f.Add(f, big.NewInt(1)), 1).Uint64()
	}
	return all
})

// grisu2 returns digits and an exponent of ten that are read back as f, which
// must be positive and finite. The algorithm is that of Florian Loitsch, Printing
// Floating-Point Numbers Quickly and Accurately with Integers, 2010.
func grisu2(f float64) (digits []byte, exponent int) {
	const hidden, bias = 1 << 52, 1023 + 52
	b := math.Float64bits(f)
	fraction, e := b&(hidden-1), int(b>>52)
	v := scaled{fraction | hidden, e - bias}
	if e == 0 {
		v = scaled{fraction, 1 - bias}
	}
	// Every number between low and high is read back as f.
	high := scaled{2*v.f + 1, v.e - 1}.normalized()
	low := scaled{2*v.f - 1, v.e - 1}
	if fraction == 0 && e > 1 {
		low = scaled{4*v.f - 1, v.e - 2}
	}
	low = scaled{low.f << (low.e - high.e), high.e}

	// Scale so that the part before the point fits 32 bits.
	least := -60 - high.e - 1
	k := least * 78913 / (1 << 18)
	if least > 0 {
		k++
	}
	i := (k - firstPower + powerStep - 1) / powerStep
	power := powersOfTen()[i]
	exponent = -(firstPower + i*powerStep)
	w, low, high := v.normalized().times(power), low.times(power), high.times(power)
	low.f++
	high.f--

	width, distance := high.f-low.f, high.f-w.f
	point := uint(-high.e)
	one := uint64(1) << point
	whole, part := high.f>>point, high.f&(one-1)
	ten, left := uint64(1), 1
	for whole/ten >= 10 {
		ten *= 10
		left++
	}
	for ; left > 0; ten /= 10 {
		digits = append(digits, '0'+byte(whole/ten))
		whole %= ten
		left--
		if rest := whole<<point + part; rest <= width {
			grisuRound(digits, distance, width, rest, ten<<point)
			return digits, exponent + left
		}
	}
	for {
		part, width, distance = part*10, width*10, distance*10
		digits = append(digits, '0'+byte(part>>point))
		part &= one - 1
		exponent--
		if part <= width {
			grisuRound(digits, distance, width, part, one)
			return digits, exponent
		}
	}
}

// grisuRound lowers the last digit as long as that brings the digits closer to
// the number itself.
func grisuRound(digits []byte, distance, width, rest, unit uint64) {
	for rest < distance && width-rest >= unit && (rest+unit < distance || distance-rest > rest+unit-distance) {
		digits[len(digits)-1]--
		rest += unit
	}
}
