package cmd

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"muster/exec"
	"muster/exec/nixserve"
)

// copyFlags say how closures are sent to hosts.
type copyFlags struct {
	compress string
	rate     string
	hostRate string
}

func (f *copyFlags) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&f.compress, "compress", "auto", "`when` to compress what is sent: auto (over slow links, to hosts that have zstd),\nalways or never")
	fs.StringVar(&f.rate, "limit-rate", "", "send at most this many `bytes` a second to all hosts together, as 500k or 10M")
	fs.StringVar(&f.hostRate, "limit-host-rate", "", "send at most this many `bytes` a second to each host")
}

func (f *copyFlags) options() (exec.CopyOptions, error) {
	var o exec.CopyOptions
	switch f.compress {
	case "auto", "":
		o.Pack = nixserve.PackAuto
	case "always":
		o.Pack = nixserve.PackAlways
	case "never":
		o.Pack = nixserve.PackNever
	default:
		return o, usageError{fmt.Errorf("--compress %s: there is auto, always and never", f.compress)}
	}
	if f.rate != "" {
		rate, err := parseSize(f.rate)
		if err != nil {
			return o, usageError{fmt.Errorf("--limit-rate %s: %w", f.rate, err)}
		}
		o.Rate = nixserve.NewLimiter(rate)
	}
	if f.hostRate != "" {
		rate, err := parseSize(f.hostRate)
		if err != nil {
			return o, usageError{fmt.Errorf("--limit-host-rate %s: %w", f.hostRate, err)}
		}
		o.HostRate = rate
	}
	return o, nil
}

// parseSize reads a number of bytes: 800, 500k, 10M, 1.5G, in units of 1000.
func parseSize(s string) (int64, error) {
	unit := 1.0
	number := s
	if i := strings.IndexAny(s, "kKMG"); i == len(s)-1 && i > 0 {
		unit = map[byte]float64{'k': 1e3, 'K': 1e3, 'M': 1e6, 'G': 1e9}[s[i]]
		number = s[:i]
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n*unit >= 1) || n*unit > 1e15 {
		return 0, fmt.Errorf("want a number of bytes such as 800, 500k or 10M")
	}
	return int64(n * unit), nil
}
