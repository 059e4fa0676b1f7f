package sshconfig

import "io/fs"

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

	// MatchExec runs a command of "Match exec" and reports whether it succeeds. If nil, a configuration in which the
	// answer counts is an error.
	MatchExec func(command string) (bool, error)
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
