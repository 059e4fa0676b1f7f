package exec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"muster/exec/foreign"
)

// KeepRuns says which journals stay when old ones are removed: those of the last runs, and
// those of younger runs, however many these are.
type KeepRuns struct {
	Last    int           // at least 1, as the next run takes its number from the last one
	Younger time.Duration // since the last event of a run
}

// mostPruned is how many files are looked at in a directory of journals when old ones are
// removed: more than a run takes, so that a full directory is emptied again.
const mostPruned = 1_000_000

// abandoned is after which time a file that is being made is one that a crash has left.
const abandoned = 24 * time.Hour

// PruneJournals removes the journals of old runs from a directory, and what stands beside
// them: their reports. A run that has no end stays, as it is in progress or can be resumed.
//
// Journals are removed one by one, the oldest first, so that a crash leaves those of the
// younger runs. The name of the last one, which numbers go on from, always stays.
func PruneJournals(dir string, keep KeepRuns) (removed int, err error) {
	root, err := foreign.OpenDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err == nil {
		defer root.Close()
		removed, err = pruneJournals(root, keep, time.Now())
	}
	if err != nil {
		return removed, fmt.Errorf("remove journals of old runs: %w", err)
	}
	return removed, nil
}

func pruneJournals(root *os.Root, keep KeepRuns, now time.Time) (removed int, err error) {
	unlock, err := lockDir(root)
	if err != nil {
		return 0, err
	}
	defer unlock()
	files, err := foreign.Names(root, mostPruned)
	if err != nil {
		return 0, err
	}
	if err := removeAbandoned(root, files, now); err != nil {
		return 0, err
	}
	names := journalsOf(files)
	for _, name := range names[:max(0, len(names)-max(1, keep.Last))] {
		info, err := root.Lstat(name)
		if err == nil && now.Sub(info.ModTime()) < keep.Younger {
			break // and so are those after it
		}
		if err != nil || !endedRun(root, name) {
			continue
		}
		// What stands beside a journal goes first: nothing would find it later.
		report := strings.TrimSuffix(name, journalExt) + ".html"
		if err := root.Remove(report); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return removed, err
		}
		if err := root.Remove(name); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

// endedRun reports whether a journal is one of a run that has ended: its last line says so,
// and nobody has locked it. What cannot be read stays.
func endedRun(root *os.Root, name string) bool {
	f, err := foreign.OpenOwn(root, name)
	if err != nil {
		return false
	}
	defer f.Close()
	if lockFile(f) != nil {
		return false
	}
	const longest = 4096 // bytes of the line of an end
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return false
	}
	text := make([]byte, min(end, longest))
	if _, err := f.ReadAt(text, end-int64(len(text))); err != nil {
		return false
	}
	whole, ok := bytes.CutSuffix(text, []byte("\n"))
	parts := head().FindSubmatch(whole[bytes.LastIndexByte(whole, '\n')+1:])
	return ok && parts != nil && string(parts[3]) == endEntry
}

// removeAbandoned removes those of some files that a crash has left while they were made.
func removeAbandoned(root *os.Root, names []string, now time.Time) error {
	for _, name := range names {
		if !foreign.IsTemp(name) {
			continue
		}
		if info, err := root.Lstat(name); err == nil && now.Sub(info.ModTime()) > abandoned {
			if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
