package float

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

func ExampleJSON() {
	fmt.Println(JSON(1), JSON(1e15), JSON(-10260320966e9))
	fmt.Println(Printf(1, 'g'), Printf(1, 'f'))
	// Output:
	// 1.0 1e+15 -1.0260320966000001e+19
	// 1 1.000000
}

func TestJSONIsReadBack(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	longer := 0
	const count = 200_000
	for range count {
		f := math.Float64frombits(random.Uint64())
		if math.IsNaN(f) || math.IsInf(f, 0) {
			continue
		}
		s := JSON(f)
		if back, err := strconv.ParseFloat(s, 64); err != nil || back != f {
			t.Fatalf("%v is written %s", f, s)
		}
		digits, _ := grisu2(math.Abs(f))
		if len(digits) > len(shortest(f)) {
			longer++
		}
	}
	// The paper says 99.9 %.
	if longer == 0 || longer > count/200 {
		t.Errorf("%d of %d have more digits than needed", longer, count)
	}
}

// shortest returns the digits that Go writes.
func shortest(f float64) []byte {
	var digits []byte
	for _, c := range strconv.AppendFloat(nil, math.Abs(f), 'e', -1, 64) {
		if c == 'e' {
			break
		}
		if c != '.' {
			digits = append(digits, c)
		}
	}
	return digits
}

// TestJSON holds what Nix 2.34 writes.
func TestJSON(t *testing.T) {
	for want, f := range map[string]float64{
		"0.0": 0, "1.0": 1, "-0.25": -0.25, "100000.0": 1e5, "100000000000000.0": 1e14, "1e+15": 1e15, "0.0001": 1e-4, "1e-05": 1e-5,
		"123456.789": 123456.789, "-1.0260320966000001e+19": -10260320966e9, "-6.3088015000000004e+19": -63088015e12,
		"5e-324": 5e-324, "1.7976931348623157e+308": math.MaxFloat64, "2.2250738585072014e-308": 0x1p-1022, "9.999999999999999e+22": 1e23,
	} {
		if got := JSON(f); got != want {
			t.Errorf("%g: got %s, want %s", f, got, want)
		}
	}
}
