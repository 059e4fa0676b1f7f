// Package storelab has what tests of the `nix-store --serve` protocol talk to: real Nix stores in temporary directories,
// and servers that a test writes itself.
//
//	from, top := storelab.Closure(t) // a store with the outputs of thirty derivations, and their top
//	to := storelab.New(t)            // an empty one
//	stream := to.Serve()             // a running nix-store --serve --write
//
//	fake := storelab.Serve(t, func(in *bufio.Reader, out io.Writer) (stderr string, status int) { … })
package storelab

// A TB is what this package needs of *testing.T.
type TB interface {
	Helper()
	Cleanup(func())
	TempDir() string
	Error(args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Skip(args ...any)
}
