package exec

import (
	"time"

	"muster/exec/host"
)

// For tests in package exec_test.

type ManyHosts = manyHosts

var StartManyHosts = startManyHosts

const OldSystem, NewSystem = oldSystem, newSystem

// HostOf is the host behind a machine.
func HostOf(m Machine) *host.Host { return host.New(m, time.Minute) }
