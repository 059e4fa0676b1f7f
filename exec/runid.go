package exec

import (
	"crypto/rand"
	"strings"
	"time"
)

// NewRunID names a run: when it began, and enough of chance to tell it from
// others, such as 20260131-142233-k3qz.
func NewRunID() string {
	return time.Now().UTC().Format("20060102-150405") + "-" + strings.ToLower(rand.Text()[:4])
}
