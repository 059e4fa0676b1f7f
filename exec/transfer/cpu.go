package transfer

import (
	"os"
	"strconv"
	"strings"
)

// A cpuTime is what this machine's processors have spent, in ticks since it started.
type cpuTime struct{ idle, total int64 }

// readCPU reads the times where the kernel tells them: the first line of /proc/stat (proc(5)), user, nice, system, idle,
// iowait and others.
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
	for i, f := range fields[1:min(len(fields), 9)] { // guests are counted as users already
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

// busySince reports whether hardly any processor time was left over since before. Who is that busy gains nothing by
// compressing.
func busySince(before cpuTime) bool {
	now, ok := readCPU()
	total := now.total - before.total
	return ok && total > 0 && (now.idle-before.idle)*10 < total
}
