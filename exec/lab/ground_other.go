//go:build !linux

package lab

import (
	"context"
	"io"
	"os"
	"os/exec"
	"time"
)

// There is a lab on Linux only. Check says so before any of this is called.

type ground struct{ net *os.File }

type relay struct{}

func (*relay) close() {}

func (*relay) set(time.Duration) {}

func newGround(string) (*ground, error)                                  { return nil, ErrUnsupported }
func (*ground) do(func() error) error                                    { return ErrUnsupported }
func (*ground) close()                                                   {}
func (*ground) root() string                                             { return "" }
func (*ground) newNet() (*os.File, error)                                { return nil, ErrUnsupported }
func (*ground) newRelay(string, string, time.Duration) (*relay, error)   { return nil, ErrUnsupported }
func (*ground) batch(context.Context, *os.File, string, ...string) error { return ErrUnsupported }
func (*ground) runCommand(*exec.Cmd) error                               { return ErrUnsupported }
func (*ground) inRoot(string, ...string) error                           { return ErrUnsupported }
func (*ground) open(string) (*os.File, error)                            { return nil, ErrUnsupported }
func (*ground) mountControlGroups(string, string) error                  { return ErrUnsupported }
func (*ground) removeControlGroups(string) error                         { return ErrUnsupported }
func (*ground) startMachine(_, _ *os.File, _ io.Writer, _ string, _ ...string) (*exec.Cmd, error) {
	return nil, ErrUnsupported
}
func mountCopy(string, string, string) error                    { return ErrUnsupported }
func bindNamespace(*os.File, string) error                      { return ErrUnsupported }
func tryLock(*os.File, bool) error                              { return ErrUnsupported }
func limits() []string                                          { return nil }
func mountDisk(string, int64) error                             { return ErrUnsupported }
func resizeDisk(string, int64) error                            { return ErrUnsupported }
func freshRun(string) error                                     { return ErrUnsupported }
func mountSystem(string, string) error                          { return ErrUnsupported }
func openIn(string, string, int, os.FileMode) (*os.File, error) { return nil, ErrUnsupported }
func diskUse(string) (int64, int64, error)                      { return 0, 0, ErrUnsupported }
func lockDir(string) (*os.File, error)                          { return nil, ErrUnsupported }
func (*ground) startInit(string, *os.File, io.Writer, string, ...string) (*exec.Cmd, error) {
	return nil, ErrUnsupported
}
