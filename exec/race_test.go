//go:build race

package exec

// RaceDetected says that the race detector is in this binary.
const RaceDetected = true
