package lab

import "os"

// clean makes the command line of a host's process out of argv.
//
// A process inherits ignored signals, limits and more from whoever started it, and passes them on; a shell cannot even trap a
// signal that it inherits ignored, as it does below nohup. A host must be the same whoever starts the lab, as a machine is
// whoever presses its button. The umask is the ground's, the environment hostEnv.
func clean(argv ...string) []string {
	line := []string{"/usr/bin/env", "--default-signal", "/usr/bin/prlimit"}
	line = append(line, limits()...)
	return append(line, argv...)
}

// cleanEnv is the environment of this machine's programs that the lab runs.
func cleanEnv() []string { return []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"} }
