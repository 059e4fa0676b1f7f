package human_test

import (
	"testing"
	"time"

	"muster/exec/human"
)

func TestQuantitiesReadAsPeopleSayThem(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{human.Bytes(0), "0 B"},
		{human.Bytes(999), "999 B"},
		{human.Bytes(61_600), "61.6 kB"},
		{human.Bytes(999_949), "999.9 kB"},
		{human.Bytes(999_999), "1.0 MB"},
		{human.Bytes(5_000_000_000), "5.0 GB"},
		{human.Bytes(2_500_000_000_000), "2.5 TB"},
		{human.Duration(0), "0.0 s"},
		{human.Duration(400 * time.Millisecond), "0.4 s"},
		{human.Duration(59_960 * time.Millisecond), "1m"},
		{human.Duration(110 * time.Second), "1m50s"},
		{human.Duration(10 * time.Minute), "10m"},
		{human.Duration(time.Hour + 5*time.Minute), "1h5m"},
		{human.Duration(10*time.Hour + 20*time.Second), "10h20s"},
		{human.Count(1, "host"), "1 host"},
		{human.Count(0, "host"), "0 hosts"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
