package sshconfig

import (
	"errors"
	"io/fs"
	"net/netip"
)

// An Env is what a configuration can refer to outside of its own text. Nil functions find nothing.
type Env struct {
	Home     string // the user's home directory: ~ and %d
	User     string // the local user's name: %u and "Match localuser"
	UserID   int    // %i
	HostName string // the local machine's name: %l and, up to the first dot, %L

	LookupEnv func(name string) (string, bool)       // an environment variable: ${NAME}
	HomeOf    func(user string) (string, error)      // another user's home directory: ~user
	Glob      func(pattern string) ([]string, error) // the files of an Include, sorted
	ReadFile  func(name string) ([]byte, error)      // one of these
	Service   func(name string) (port int, ok bool)  // the TCP port of a service: services(5)

	// MatchExec runs a command of "Match exec" and reports whether it succeeds. If nil, a configuration in which the
	// answer counts is an error.
	MatchExec func(command string) (bool, error)

	// LookupHost looks a name up, for CanonicalizeHostname, and returns the name it is an alias of. family is a value of
	// AddressFamily.
	LookupHost func(name, family string) (cname string, err error)

	// Addresses are those of this machine's interfaces that are up, for "Match localnetwork".
	Addresses func() ([]netip.Addr, error)

	Others []string // keywords in lower case that the ssh of this system knows beside OpenSSH's own, and that are passed over

	algorithms map[string]algorithmSet // of each keyword; nil: those of OpenSSH 9.9
}

func (e *Env) lookup(name string) (string, bool) {
	if e.LookupEnv == nil {
		return "", false
	}
	return e.LookupEnv(name)
}

func (e *Env) glob(pattern string) ([]string, error) {
	if e.Glob == nil {
		return nil, nil
	}
	return e.Glob(pattern)
}

func (e *Env) read(name string) ([]byte, error) {
	if e.ReadFile == nil {
		return nil, fs.ErrNotExist
	}
	return e.ReadFile(name)
}

func (e *Env) lookupHost(name, family string) (string, error) {
	if e.LookupHost == nil {
		return "", errors.New("names cannot be looked up")
	}
	return e.LookupHost(name, family)
}

func (e *Env) addresses() ([]netip.Addr, error) {
	if e.Addresses == nil {
		return nil, nil
	}
	return e.Addresses()
}

// algorithmsOf are the algorithms that a keyword chooses from.
func (e *Env) algorithmsOf(key string) algorithmSet {
	if set, ok := e.algorithms[key]; ok {
		return set
	}
	return opensshAlgorithms[key]
}
