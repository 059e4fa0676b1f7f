package nixserve

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"muster/compile/store"
)

// BuildOptions limit a build. The zero value sets no limits.
type BuildOptions struct {
	MaxSilent  time.Duration // end a build that prints nothing for so long
	Timeout    time.Duration // end a build that takes longer
	MaxLogSize uint64        // end a build that prints more bytes
	KeepFailed bool          // keep the directory of a failed build
}

func (w wireWriter) buildOptions(o BuildOptions, version uint64) {
	w.word(uint64(o.MaxSilent / time.Second))
	w.word(uint64(o.Timeout / time.Second))
	w.word(o.MaxLogSize)
	w.word(0) // how often to repeat, and whether that must give the same:
	w.word(0) // both are gone from Nix, but not from the protocol
	if version >= 2<<8|7 {
		w.bool(o.KeepFailed)
	}
}

// A BuildError says that the store could not build or fetch something.
type BuildError struct {
	Status uint64 // of nix-store for BuildPaths, such as 100 for a failed builder; a BuildStatus for BuildDerivation
	Reason string
}

func (e *BuildError) Error() string { return e.Reason }

// BuildPaths makes store paths valid: derivations are built with all their outputs, other paths are substituted. What
// the builds print goes to the stream's standard error. Unlike other errors a *BuildError leaves the session usable.
func (c *Client) BuildPaths(ctx context.Context, paths []store.Path, opts BuildOptions) error {
	if len(paths) == 0 {
		return ctx.Err()
	}
	var failed *BuildError
	err := c.do(ctx, func() error {
		c.out.word(cmdBuildPaths)
		c.out.paths(paths)
		c.out.buildOptions(opts, c.version)
		if err := c.out.w.Flush(); err != nil {
			return err
		}
		status, err := c.in.word()
		if err != nil || status == 0 {
			return noEOF(err)
		}
		text, err := c.in.string()
		failed = &BuildError{Status: status, Reason: reason(text)}
		return noEOF(err)
	})
	if err == nil && failed != nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("build paths: %w", err)
	}
	return nil
}

// A BuildStatus is how the build of one derivation ended.
type BuildStatus uint64

// The first few have names; all others are ways to fail.
const (
	Built BuildStatus = iota
	Substituted
	AlreadyValid
)

// resolvesToAlreadyValid is the success that was added after all the failures.
const resolvesToAlreadyValid BuildStatus = 13

// Succeeded tells whether the outputs are valid now.
func (s BuildStatus) Succeeded() bool { return s <= AlreadyValid || s == resolvesToAlreadyValid }

// A BuildResult tells about the build of one derivation.
type BuildResult struct {
	Status      BuildStatus
	Start, Stop time.Time // as the builder's clock has it; zero if nothing was built
}

// BuildDerivation builds a derivation that the store need not have, though it must have all that it needs: the outputs
// of its input derivations are given as input sources. A build that fails is a *BuildError and leaves the session usable.
func (c *Client) BuildDerivation(ctx context.Context, p store.Path, d *store.Derivation, opts BuildOptions) (BuildResult, error) {
	var result BuildResult
	var reason string
	err := c.do(ctx, func() (err error) {
		c.out.word(cmdBuildDerivation)
		c.out.string(string(p))
		c.out.basicDerivation(d)
		c.out.buildOptions(opts, c.version)
		if err := c.out.w.Flush(); err != nil {
			return err
		}
		result, reason, err = c.in.buildResult(c.version & 0xff)
		return err
	})
	if err == nil && !result.Status.Succeeded() {
		err = &BuildError{Status: uint64(result.Status), Reason: reason}
	}
	if err != nil {
		return result, fmt.Errorf("build %s: %w", p, err)
	}
	return result, nil
}

func (w wireWriter) basicDerivation(d *store.Derivation) {
	names := d.OutputNames()
	w.word(uint64(len(names)))
	for _, name := range names {
		o := d.Outputs[name]
		w.string(name)
		w.string(string(o.Path))
		w.string(o.HashAlgo)
		w.string(o.Hash)
	}
	w.paths(d.InputSrcs)
	w.string(d.Platform)
	w.string(d.Builder)
	w.strings(d.Args)
	w.word(uint64(len(d.Env)))
	for _, key := range slices.Sorted(maps.Keys(d.Env)) {
		w.string(key)
		w.string(d.Env[key])
	}
}

func (r wireReader) buildResult(minor uint64) (result BuildResult, reason string, err error) {
	status, err := r.word()
	if err != nil {
		return result, "", noEOF(err)
	}
	result.Status = BuildStatus(status)
	if reason, err = r.string(); err != nil {
		return result, "", noEOF(err)
	}
	var times [4]uint64 // times built, whether they differed, start, stop
	for i := range times {
		if times[i], err = r.word(); err != nil {
			return result, "", noEOF(err)
		}
	}
	if times[3] != 0 {
		result.Start, result.Stop = time.Unix(int64(times[2]), 0), time.Unix(int64(times[3]), 0)
	}
	if minor < 6 {
		return result, reason, nil
	}
	n, err := r.word()
	if err != nil {
		return result, "", noEOF(err)
	}
	if n > maxList {
		return result, "", malformed("%d outputs", n)
	}
	for range 2 * n { // an id and a realisation each, which only content-addressed derivations need
		if _, err := r.string(); err != nil {
			return result, "", noEOF(err)
		}
	}
	return result, reason, nil
}
