package transfer

import (
	"os"
	"strconv"
	"strings"
)

// A cpuTime is the time that this machine's processors have spent since it started, in ticks.
type cpuTime struct{ idle, total int64 }

// readCPU reads the first line of /proc/stat (proc(5)): user, nice, system, idle, iowait and others. It reports whether this
// kernel has it.
func readCPU() (t cpuTime, ok bool) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return t, false
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	if len(fields) < 6 || fields[0] != "cpu" {
		return t, false
	}
	for i, f := range fields[1:min(len(fields), 9)] { // guest times are part of the user times
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return t, false
		}
		t.total += n
		if i == 3 || i == 4 {
			t.idle += n
		}
	}
	return t, true
}

// busySince reports whether the processors were idle for less than a tenth of the time since before. Compression makes a
// machine that busy slower.
func busySince(before cpuTime) bool {
	now, ok := readCPU()
	total := now.total - before.total
	return ok && total > 0 && (now.idle-before.idle)*10 < total
}
