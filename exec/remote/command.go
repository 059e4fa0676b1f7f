package remote

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"muster/exec/ondemand"
)

// A Command is a program to run on a machine. It is not a shell line: every argument arrives as it is.
type Command struct {
	Argv   []string
	Script bool              // Argv holds the text of a script, which messages leave out
	Env    map[string]string // added to the environment of the login; other users of the machine can read it

	// Privileged runs the command as root: directly if the login is root, else through the target's Become.
	Privileged bool

	Stdin  io.Reader // nil is empty. Not for Stream.
	Stdout io.Writer // nil drops it. Not for Stream.
	Stderr io.Writer // nil keeps it only for the error
}

// name is what messages call the command.
func (c *Command) name() string {
	if c.Script {
		return scriptName(c.Argv)
	}
	return Quote(c.Argv)
}

var envName = ondemand.Regexp(`^[A-Za-z_][A-Za-z0-9_]*$`)

// argv is the command with its environment in front.
func (c *Command) argv() ([]string, error) {
	if len(c.Argv) == 0 || c.Argv[0] == "" {
		return nil, errors.New("run command: no program given")
	}
	if strings.HasPrefix(c.Argv[0], "-") {
		return nil, fmt.Errorf("run %q: the name of a program cannot start with -", c.Argv[0])
	}
	argv := c.Argv
	if len(c.Env) > 0 {
		if strings.Contains(argv[0], "=") {
			return nil, fmt.Errorf("run %q: the name of a program cannot contain =, if Env is set", argv[0])
		}
		argv = []string{"env"}
		for _, name := range slices.Sorted(maps.Keys(c.Env)) {
			if !envName().MatchString(name) {
				return nil, fmt.Errorf("run %s: %q is not a name of a variable", c.Argv[0], name)
			}
			argv = append(argv, name+"="+c.Env[name])
		}
		argv = append(argv, c.Argv...)
	}
	for i, word := range argv {
		if strings.ContainsRune(word, 0) {
			return nil, fmt.Errorf("run %s: argument %d contains a NUL byte", c.Argv[0], i)
		}
	}
	return argv, nil
}

// line is what the login shell runs: a POSIX shell, whatever the login shell is. It reports that it has begun, by a
// marker on stdout and by another one with its process id on stderr, and becomes the command. sshd gives every session a
// process group of its own, so the process id is also the group's.
func line(argv []string, marker string) string {
	begun := fmt.Sprintf("echo %s $$ >&2; echo %[1]s; ", marker)
	if len(argv) > 2 && argv[0] == "/bin/sh" && argv[1] == "-c" {
		// A script begins by saying it itself, which saves starting another shell.
		return "exec " + Quote(slices.Concat(argv[:2], []string{begun + argv[2]}, argv[3:]))
	}
	script := begun + "exec " + Quote(argv)
	return "exec /bin/sh -c " + quoteWord(script)
}

// scriptName is how messages name a script: by the $0 that the caller has given it.
func scriptName(argv []string) string {
	if len(argv) > 3 && argv[1] == "-c" && argv[3] != "sh" {
		return argv[3]
	}
	return "a script"
}
