//go:build !linux

package cmd

// hideMemory keeps the memory of the process, and of what it starts, from core dumps.
func hideMemory() { noCoreDumps() }
