package exec

import (
	"time"

	"muster/exec/host"
)

// For tests in package exec_test.

type ManyHosts = manyHosts

var StartManyHosts = startManyHosts

// For plays of many hosts: see scale_test.go.
var (
	Scales        = scales
	ProcessorTime = processorTime
)

type SSHMachine = sshMachine

type HostState = host.State

const OldSystem, NewSystem = oldSystem, newSystem

// HostOf is the host behind a machine.
func HostOf(m Machine) *host.Host { return host.New(m, time.Minute) }

// LeavePeers has hosts leave a peer that is slower than a rate, in bytes a second, for some time.
func LeavePeers(o *Options, after time.Duration, rate int64) { o.slowness = slowness{after, rate} }
