package eval

import (
	"os"
	"testing"

	"muster/compile/eval/collector"
)

func TestMain(m *testing.M) {
	collector.AllowDeepStacks()
	os.Exit(m.Run())
}
