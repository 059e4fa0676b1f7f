package cmd

import (
	"strconv"
	"strings"
	"time"

	"muster/cmd/flags"
	"muster/exec"
)

// keepRunsFlag says which journals of earlier runs stay.
type keepRunsFlag struct {
	noRules
	runs *exec.KeepRuns // nil: all
}

func (f *keepRunsFlag) addFlags(fs *flags.Set) {
	f.runs = &exec.KeepRuns{Last: 100, Younger: 90 * day}
	fs.Var(flags.FromEnvironment(&f.runs, "MUSTER_KEEP_RUNS", keptRuns), "keep-runs",
		"keep the journals of so many runs, and all of so many days, `RUNS,DAYS`, and remove those of older runs that have ended; all removes none (default $MUSTER_KEEP_RUNS, or 100,90)")
}

const day = 24 * time.Hour

// keptRuns is the kind of what --keep-runs says.
var keptRuns = flags.Kind[*exec.KeepRuns]{
	Name: "runs and days",
	Want: "a number of runs from 1 and one of days, such as 100,90, or all",
	Parse: func(text string) (*exec.KeepRuns, error) {
		if text == "all" {
			return nil, nil
		}
		runs, days, ok := strings.Cut(text, ",")
		last, err := strconv.Atoi(runs)
		if !ok || err != nil || last < 1 || last > mostKept {
			return nil, flags.ErrRefused
		}
		younger, err := strconv.Atoi(days)
		if err != nil || younger < 0 || younger > mostKept {
			return nil, flags.ErrRefused
		}
		return &exec.KeepRuns{Last: last, Younger: time.Duration(younger) * day}, nil
	},
}

// mostKept limits runs and days that are kept.
const mostKept = 100_000

// removeOldRuns removes the journals of old runs, after one that has its own. What cannot
// be removed stays for the next run to remove.
func (s *session) removeOldRuns(plan *exec.Plan) {
	dir := stateDir(plan.Dir, "runs")
	if s.keepRuns == nil || dir == "" {
		return
	}
	if _, err := exec.PruneJournals(dir, *s.keepRuns); err != nil {
		s.note("%v", err)
	}
}
