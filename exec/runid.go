package exec

import (
	"crypto/rand"
	"strings"
	"time"
)

// runTime is how the name of a run says when it began.
const runTime = "20060102-150405"

// NewRunID names a run, such as 20260131-142233-k3qz: the second in which it began,
// two characters for the part of that second, and two of chance. Names of runs that
// begin more than a millisecond apart sort by when they began.
func NewRunID() string { return runID(time.Now().UTC()) }

func runID(began time.Time) string {
	const digits = "234567abcdefghijklmnopqrstuvwxyz" // in ascending order, as sorting needs it
	part := began.Nanosecond() / 976_563              // 0 to 1023
	return began.Format(runTime) + "-" + digits[part/32:][:1] + digits[part%32:][:1] + strings.ToLower(rand.Text()[:2])
}

// nextRunID names a run that began after another. Hosts order their deployments
// by these names, so the name is later also where the clock was put back, or both
// began in one second.
func nextRunID(last string) string {
	if id := NewRunID(); id > last {
		return id
	}
	if len(last) < len(runTime) {
		return NewRunID()
	}
	began, err := time.Parse(runTime, last[:len(runTime)])
	if err != nil {
		return NewRunID()
	}
	return runID(began.Add(time.Second))
}
