//go:build race

package exec_test

// raceDetected says that the race detector is in this binary.
const raceDetected = true
