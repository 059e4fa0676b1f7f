package eval

import (
	"math"

	"muster/compile/eval/float"
)

// numberBuiltins are arithmetic and comparison.
var numberBuiltins = []*builtin{
	fn2("add", arithmeticBuiltin('+')),
	fn2("sub", arithmeticBuiltin('-')),
	fn2("mul", arithmeticBuiltin('*')),
	fn2("div", arithmeticBuiltin('/')),
	fn2("bitAnd", func(th *thread, x, y value) value { return th.newInt(th.wantInt(x, 0) & th.wantInt(y, 0)) }),
	fn2("bitOr", func(th *thread, x, y value) value { return th.newInt(th.wantInt(x, 0) | th.wantInt(y, 0)) }),
	fn2("bitXor", func(th *thread, x, y value) value { return th.newInt(th.wantInt(x, 0) ^ th.wantInt(y, 0)) }),
	fn1("ceil", rounding(math.Ceil)),
	fn1("floor", rounding(math.Floor)),
	lessThan,
}

// lessThan has a name because sort recognizes it and compares directly.
var lessThan = fn2("lessThan", func(th *thread, x, y value) value { return boolValue(th.less(x, y, 0)) })

func arithmeticBuiltin(op byte) func(*thread, value, value) value {
	return func(th *thread, x, y value) value {
		x = th.force(x)
		return th.arithmetic(op, x, th.force(y), 0)
	}
}

// rounding returns the function of ceil or floor. Nix converts integers to
// floats, too, which loses digits of large ones; before 2.29 it did so
// silently.
func rounding(round func(float64) float64) func(*thread, value) value {
	return func(th *thread, x value) value {
		x = th.force(x)
		f := round(th.wantNumber(x, 0))
		fits := f >= math.MinInt64 && f < math.MaxInt64
		switch {
		case fits && (!x.isInt() || th.ev.compat.roundsInts || int64(f) == x.int()):
			return th.newInt(int64(f))
		case th.ev.compat.roundsInts:
			return th.newInt(math.MinInt64)
		case x.isInt() && fits:
			th.fail(0, "Due to a bug (see https://github.com/NixOS/nix/issues/12899) a loss of precision occurred in previous Nix versions because the NixInt argument %d was rounded to %d.\n\tFuture Nix versions might implement the correct behavior.", x.int(), int64(f))
		case x.isInt():
			th.fail(0, "Due to a bug (see https://github.com/NixOS/nix/issues/12899) the NixInt argument %d caused undefined behavior in previous Nix versions.\n\tFuture Nix versions might implement the correct behavior.", x.int())
		}
		th.fail(0, "NixFloat argument %s is not in the range of NixInt", float.Printf(f, 'g'))
		return value{}
	}
}
