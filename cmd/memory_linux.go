package cmd

import "syscall"

// hideMemory keeps the memory of the process from core dumps and from other processes
// of the user. What it starts leaves no core dump either. Both are for safety only: no
// kernel refuses them.
func hideMemory() {
	syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_DUMPABLE, 0, 0)
	noCoreDumps()
}
