package exec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"muster/exec/backoff"
	"muster/exec/foreign"
	"muster/exec/ondemand"
)

// The journals of a fleet are files of one directory. Each name holds a number
// that is higher than those of all journals before it, and the run:
//
//	000007.20260131-142233-k3qz.jsonl
//
// Runs are ordered by that number, whatever the clock says. Journals of earlier
// versions have no number and come before all others, by their names.

const journalExt = ".jsonl"

// maxJournals is how many files are looked at in a directory of journals.
const maxJournals = 10_000

func journalName(number int, run string) string {
	return fmt.Sprintf("%06d.%s%s", number, run, journalExt)
}

var numberPrefix = ondemand.Regexp(`^([0-9]{1,9})\.`)

// numberOf is the number in the name of a journal, 0 for none.
func numberOf(name string) int {
	if m := numberPrefix().FindStringSubmatch(filepath.Base(name)); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	return 0
}

// RunOf is the run whose journal has a name.
func RunOf(name string) string {
	base := strings.TrimSuffix(filepath.Base(name), journalExt)
	return strings.TrimPrefix(base, numberPrefix().FindString(base))
}

// Journals are the names of the journals in a directory, the oldest run first. A
// directory that does not exist has none.
func Journals(dir string) ([]string, error) {
	root, err := foreign.OpenDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for journals: %w", err)
	}
	defer root.Close()
	names, err := journalsIn(root)
	if err != nil {
		return nil, fmt.Errorf("look for journals: %w", err)
	}
	for i, name := range names {
		names[i] = filepath.Join(dir, name)
	}
	return names, nil
}

func journalsIn(root *os.Root) ([]string, error) {
	names, err := foreign.Names(root, maxJournals)
	return journalsOf(names), err
}

// journalsOf are the journals among the files of a directory, the oldest run first.
func journalsOf(names []string) []string {
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, journalExt) })
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(numberOf(a), numberOf(b)), cmp.Compare(a, b))
	})
	return names
}

// lockDir keeps other processes from beginning a journal in a directory.
func lockDir(root *os.Root) (unlock func(), err error) {
	dir, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	wait := backoff.Backoff{First: time.Millisecond, Max: 100 * time.Millisecond}
	for syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		if wait.Wait(ctx) != nil {
			dir.Close()
			return nil, errors.New("another muster has been beginning a run for 10s")
		}
	}
	return func() { dir.Close() }, nil
}
