package syntax

import (
	"io"
	"os"
	"syscall"
	"testing"
	"time"
)

// large returns Nix texts to measure with: the files of the corpus from 20 kB
// on that parse where there is a corpus, else random trees, printed.
func large(b *testing.B) [][]byte {
	b.Helper()
	var texts [][]byte
	if os.Getenv("MUSTER_NIX_CORPUS") != "" {
		for _, name := range corpus(b) {
			src, err := os.ReadFile(name)
			if err != nil {
				b.Fatal(err)
			}
			if len(src) < 20_000 {
				continue
			}
			if _, err := ParseFile(name, src, Options{}); err == nil {
				texts = append(texts, src)
			}
		}
		return texts
	}
	for seed := range 30 {
		all := &List{}
		for n := range 100 {
			all.Elems = append(all.Elems, newGen(uint64(100*seed+n)).expr(5))
		}
		texts = append(texts, Format(&File{Expr: all}))
	}
	return texts
}

// measure runs work on every text, one after the other; cpu-MB/s is how much is
// done in a second of processor time, garbage collection included, however busy
// the machine is.
func measure(b *testing.B, texts [][]byte, work func(i int) error) {
	size := 0
	for _, t := range texts {
		size += len(t)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	before := used(b)
	for b.Loop() {
		for i := range texts {
			if err := work(i); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(size)*float64(b.N)/1e6/(used(b)-before).Seconds(), "cpu-MB/s")
}

// used is the processor time the process has taken so far.
func used(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func BenchmarkParse(b *testing.B) {
	texts := large(b)
	measure(b, texts, func(i int) error {
		_, err := ParseFile("large.nix", texts[i], Options{Pipes: true})
		return err
	})
}

func BenchmarkScan(b *testing.B) {
	texts := large(b)
	measure(b, texts, func(i int) error {
		s := scanner{src: string(texts[i]), line: 1}
		for s.next(); s.tok != tokEOF; s.next() {
		}
		return nil
	})
}

func BenchmarkPrint(b *testing.B) {
	texts := large(b)
	files := make([]*File, len(texts))
	for i, t := range texts {
		f, err := ParseFile("large.nix", t, Options{Pipes: true})
		if err != nil {
			b.Fatal(err)
		}
		files[i], texts[i] = f, Format(f)
	}
	measure(b, texts, func(i int) error { return Fprint(io.Discard, files[i]) })
}
