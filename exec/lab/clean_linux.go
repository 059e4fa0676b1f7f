package lab

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// hostLimits are the limits of a host's first process, as a booted kernel and systemd would set them.
var hostLimits = []struct {
	name       string // of prlimit's option
	resource   int
	soft, hard uint64
}{
	{"as", unix.RLIMIT_AS, unix.RLIM_INFINITY, unix.RLIM_INFINITY},
	{"core", unix.RLIMIT_CORE, 0, unix.RLIM_INFINITY},
	{"cpu", unix.RLIMIT_CPU, unix.RLIM_INFINITY, unix.RLIM_INFINITY},
	{"data", unix.RLIMIT_DATA, unix.RLIM_INFINITY, unix.RLIM_INFINITY},
	{"fsize", unix.RLIMIT_FSIZE, unix.RLIM_INFINITY, unix.RLIM_INFINITY},
	{"nofile", unix.RLIMIT_NOFILE, 1024, 512 << 10},
	{"nproc", unix.RLIMIT_NPROC, unix.RLIM_INFINITY, unix.RLIM_INFINITY},
	{"stack", unix.RLIMIT_STACK, 8 << 20, unix.RLIM_INFINITY},
}

// limits are options of prlimit(1) that set hostLimits, as far as this process may: without CAP_SYS_RESOURCE, nothing can exceed
// its own hard limits.
func limits() (options []string) {
	privileged := mayRaiseLimits()
	for _, l := range hostLimits {
		soft, hard := l.soft, l.hard
		var own unix.Rlimit
		if !privileged && unix.Getrlimit(l.resource, &own) == nil {
			soft, hard = min(soft, own.Max), min(hard, own.Max)
		}
		options = append(options, fmt.Sprintf("--%s=%s:%s", l.name, limit(soft), limit(hard)))
	}
	return options
}

func limit(n uint64) string {
	if n == unix.RLIM_INFINITY {
		return "unlimited"
	}
	return fmt.Sprint(n)
}

func mayRaiseLimits() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0
}
