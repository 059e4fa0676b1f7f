//go:build !race

package cmd

// raceDetected says that the race detector is in this binary.
const raceDetected = false
