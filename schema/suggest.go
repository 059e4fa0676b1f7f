package schema

import "strings"

// nearest returns the known name that is most similar to the given one, or "" if
// none is similar enough to be meant.
func nearest(name string, known []string) string {
	best, at := "", max(2, len(name)/3+1)
	for _, k := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(k), at); d < at && d < len(k) {
			best, at = k, d
		}
	}
	return best
}

// Nearest returns the known name that is most similar to the given one, or "" if none is
// similar enough to be meant.
func Nearest(name string, known []string) string { return nearest(name, known) }

// distance returns the number of letters to insert, delete, replace or swap with
// their neighbour to turn b into a, but at most limit.
func distance(a, b string, limit int) int {
	if len(a) > 64 || len(b) > 64 || len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	var rows [3][66]int
	before, prev, cur := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return min(prev[len(b)], limit)
}
