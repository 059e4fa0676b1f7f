package remote

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// A Command is a program to run on a machine. It is not a shell line: every argument arrives as it is.
type Command struct {
	Argv []string
	// Script says that Argv holds the text of a script, which messages leave out.
	Script bool
	Env    map[string]string // set on top of what the login gives; other users of the machine can see it

	// Privileged runs the command as root: directly where the login is root, else through sudo.
	Privileged bool

	Stdin  io.Reader // nil is empty. Not for Stream.
	Stdout io.Writer // nil is dropped. Not for Stream.
	Stderr io.Writer // nil is only kept for the error
}

// Quote writes argv as one line for a shell, which will see exactly these words. Backslashes are kept out of the
// single quotes, where fish reads them and POSIX shells do not, so that any login shell understands it. Words must not
// contain a NUL byte, which no argument can.
func Quote(argv []string) string {
	words := make([]string, len(argv))
	for i, word := range argv {
		words[i] = quoteWord(word)
	}
	return strings.Join(words, " ")
}

// name is what messages call the command.
func (c *Command) name() string {
	if c.Script {
		return "a script"
	}
	return Quote(c.Argv)
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+:,./-]+$`)

func quoteWord(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return `'` + strings.NewReplacer(`'`, `'\''`, `\`, `'\\'`).Replace(word) + `'`
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// argv is the command with its environment in front.
func (c *Command) argv() ([]string, error) {
	if len(c.Argv) == 0 || c.Argv[0] == "" {
		return nil, errors.New("run command: no program named")
	}
	if strings.HasPrefix(c.Argv[0], "-") {
		return nil, fmt.Errorf("run %q: a program's name does not start with -", c.Argv[0])
	}
	argv := c.Argv
	if len(c.Env) > 0 {
		if strings.Contains(argv[0], "=") {
			return nil, fmt.Errorf("run %q: a program's name has no =", argv[0])
		}
		argv = []string{"env"}
		for _, name := range slices.Sorted(maps.Keys(c.Env)) {
			if !envName.MatchString(name) {
				return nil, fmt.Errorf("run %s: %q is not a variable's name", c.Argv[0], name)
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

// line is what the login shell gets: a POSIX shell, whatever the login shell is, that says on stderr by which number
// the command can be killed, and becomes it. sshd gives every session a process group of its own, so that number is
// also the group's.
func line(argv []string, marker string) string {
	script := "echo " + marker + "$$ >&2; exec " + Quote(argv)
	return "exec /bin/sh -c " + quoteWord(script)
}

// killScript ends the process group: politely, then after two seconds for good. The dead count as gone even while
// nobody has asked how they died, which in a container can take a while.
func killScript(pid int) string {
	return fmt.Sprintf(`p=%d g=-%[1]d
alive() {
	kill -s 0 -- $g 2>/dev/null || return 1
	if [ $g = $p ] || ! [ -r /proc/self/stat ]; then return 0; fi
	for f in /proc/[0-9]*/stat; do
		{ read -r stat <"$f"; } 2>/dev/null || continue
		set -f; set -- ${stat##*) }; set +f
		if [ "$3" = $p ] && [ "$1" != Z ]; then return 0; fi
	done
	return 1
}
kill -s TERM -- $g 2>/dev/null || g=$p
if [ $g = $p ]; then kill -s TERM -- $p 2>/dev/null || exit 0; fi
n=0
while [ $n -lt 40 ] && alive; do sleep 0.05; n=$((n+1)); done
if alive; then kill -s KILL -- $g 2>/dev/null; fi
n=0
while [ $n -lt 10 ] && alive; do sleep 0.05; n=$((n+1)); done
exit 0`, pid)
}
