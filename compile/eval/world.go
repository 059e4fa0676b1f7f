package eval

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"muster/compile/store"
)

// A World is everything outside of its own text that a program can see or cause:
// environment variables, files, and a store that builds and fetches. All paths
// are absolute and clean, and errors about files are those of package os, such as
// [fs.ErrNotExist] and [syscall.ENOTDIR]. The methods may be called from several
// goroutines.
//
// [OS] is the world of this process. A World that differs in some respect embeds
// OS and overrides methods; a test may implement all of it in memory.
type World interface {
	store.Files // Lstat, Open, ReadDir and Readlink

	// Stat is Lstat after following links.
	Stat(path string) (fs.FileInfo, error)
	// EvalSymlinks returns the path after following links anywhere in it.
	EvalSymlinks(path string) (string, error)
	// Abs returns the absolute path of an entry of the search path.
	Abs(path string) (string, error)

	// Getenv returns an environment variable, "" if it is not set.
	Getenv(name string) string

	// References returns what an object in the store refers to. The context of
	// strings that readFile reads in the object is made of it. An error counts as
	// no references, as in Nix.
	References(ctx context.Context, p store.Path) ([]store.Path, error)
	// Built reports whether an output of a derivation is in the store as a whole. What
	// a build has left behind that failed is not.
	Built(ctx context.Context, output store.Path) bool
	// Realise builds outputs of derivations, for import from derivation. It gets
	// the derivations from the evaluator. ErrUnsupported means that nothing can be
	// built.
	Realise(ctx context.Context, ev *Evaluator, outputs []DerivationOutput) error
	// Fetch fetches an input of a flake, or what builtins.fetchurl and its kind ask
	// for. ErrUnsupported means that nothing can be fetched.
	Fetch(ctx context.Context, r FetchRequest) (Fetched, error)
}

// ErrUnsupported is returned by a [World] that cannot build or fetch. The
// evaluation then ends with an [UnsupportedError].
var ErrUnsupported = errors.New("not supported by this world")

// A DerivationOutput is one output of a derivation.
type DerivationOutput struct {
	Drv    store.Path
	Output string     // its name, such as out
	Path   store.Path // where it belongs
}

// String spells the output as Nix does: /nix/store/…-hello.drv^out.
func (o DerivationOutput) String() string { return string(o.Drv) + "^" + o.Output }

// A FetchRequest asks for something to be fetched.
type FetchRequest struct {
	Fetcher string // fetchurl; fetchMercurial; or input, for everything else
	JSON    string // the argument of fetchurl, or the attributes of the input
	// Final says that the attributes come from a lock file: what is fetched must have
	// the same.
	Final bool
	// Registry says where a name may be looked up that stands for the input.
	Registry Registry
}

// A Registry is a choice of flake registries.
type Registry string

const (
	NoRegistry     Registry = ""       // an input may not be a name
	GlobalRegistry Registry = "global" // the registry that all machines share
	AnyRegistry    Registry = "any"    // that of the user and of the machine as well
)

// Fetched is the answer to a FetchRequest.
type Fetched struct {
	Path store.Path
	File string // the file or directory whose content Path has; "" if Path itself is there
	JSON string // of an input: its attributes as they are pinned now
	Dir  string // of an input that the registry has replaced: the directory that it names
}

// OS is the [World] of this process: its environment and the files of this
// computer. It can neither build nor fetch.
type OS struct{ store.Disk }

// Stat is [os.Stat].
func (OS) Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }

// EvalSymlinks is [filepath.EvalSymlinks].
func (OS) EvalSymlinks(path string) (string, error) { return filepath.EvalSymlinks(path) }

// Abs is [filepath.Abs].
func (OS) Abs(path string) (string, error) { return filepath.Abs(path) }

// Getenv is [os.Getenv].
func (OS) Getenv(name string) string { return os.Getenv(name) }

// References knows of no references.
func (OS) References(context.Context, store.Path) ([]store.Path, error) { return nil, nil }

// Built reports whether the output exists.
func (OS) Built(_ context.Context, output store.Path) bool {
	_, err := os.Lstat(string(output))
	return err == nil
}

// Realise returns ErrUnsupported.
func (OS) Realise(context.Context, *Evaluator, []DerivationOutput) error { return ErrUnsupported }

// Fetch returns ErrUnsupported.
func (OS) Fetch(context.Context, FetchRequest) (Fetched, error) { return Fetched{}, ErrUnsupported }
