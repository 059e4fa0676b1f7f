package exec

import (
	"crypto/rand"
	"strings"
	"time"
)

// runTime is how the name of a run says when it began.
const runTime = "20060102-150405"

// NewRunID names a run: when it began, and enough of chance to tell it from
// others, such as 20260131-142233-k3qz.
func NewRunID() string { return runID(time.Now().UTC()) }

func runID(began time.Time) string {
	return began.Format(runTime) + "-" + strings.ToLower(rand.Text()[:4])
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
