//go:build !linux

package eval

const prefaultBlock = 4 << 20

// prefault does nothing: only Linux hands out memory ahead of its use.
func prefault(uintptr) {}
