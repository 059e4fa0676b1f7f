package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

// A TB is what the lab needs of *testing.T. This package does not import testing, for muster's demo is built with it.
type TB interface {
	Helper()
	Cleanup(func())
	Failed() bool
	Logf(format string, args ...any)
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// A tool is a program and the Debian package that has it.
type tool struct{ program, pkg string }

// tools are the programs a lab uses.
var tools = []tool{
	{"/usr/sbin/sshd", "openssh-server"},
	{"ip", "iproute2"},
	{"tc", "iproute2"},
	{"nsenter", "util-linux"},
	{"mount", "mount"},
	{"/usr/bin/nix-store", "nix-bin"},
}

// systemdTools are what a lab with systemd uses besides.
var systemdTools = []tool{
	{"debootstrap", "debootstrap"},
	{"systemd-nspawn", "systemd-container"},
	{"unshare", "util-linux"},
}

// Check returns nil if a lab can start here, an error that wraps ErrUnsupported if this machine never can, and one that
// names the Debian packages to install otherwise.
func Check() error {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return ErrUnsupported
	}
	return missing("a lab of real hosts", tools)
}

// CheckSystemd is Check for a lab of hosts with systemd.
func CheckSystemd() error {
	if err := Check(); err != nil {
		return err
	}
	return missing("a lab of hosts with systemd", systemdTools)
}

func missing(what string, tools []tool) error {
	var missing, packages []string
	for _, t := range tools {
		if _, err := exec.LookPath(t.program); err != nil {
			missing = append(missing, t.program)
			if !slices.Contains(packages, t.pkg) {
				packages = append(packages, t.pkg)
			}
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s needs %s: apt-get install %s",
			what, strings.Join(missing, ", "), strings.Join(packages, " "))
	}
	return nil
}

// RequireLab skips the test where no lab can ever start, and fails it where one could if a package were installed: a test
// that needs real hosts must not pass without them unseen.
func RequireLab(t TB) {
	t.Helper()
	switch err := Check(); {
	case errors.Is(err, ErrUnsupported):
		t.Skipf("%v", err)
	case err != nil:
		t.Fatalf("%v", err)
	}
}

// New starts a lab of these hosts for a test and closes it with the test. If the test has failed it shows the hosts' logs.
func New(t TB, hosts ...string) *Lab {
	t.Helper()
	return NewWith(t, Options{Hosts: hosts})
}

// NewSystemd is New with hosts that systemd boots.
func NewSystemd(t TB, hosts ...string) *Lab {
	t.Helper()
	return NewWith(t, Options{Hosts: hosts, Systemd: true})
}

// NewWith is New with options.
func NewWith(t TB, o Options) *Lab {
	t.Helper()
	RequireLab(t)
	if err := CheckSystemd(); o.Systemd && err != nil {
		t.Fatalf("%v", err)
	}
	l, err := Start(context.Background(), o)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, h := range l.Hosts {
				t.Logf("log of %s:\n%s", h.Name, h.Log())
			}
		}
		if err := l.Close(); err != nil {
			t.Logf("close lab: %v", err)
		}
	})
	return l
}
