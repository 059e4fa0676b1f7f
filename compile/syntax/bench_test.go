package syntax

import (
	"bytes"
	"io"
	"os"
	"testing"
)

// large returns a Nix text of a few megabytes: the corpus where there is one,
// else random trees, printed.
func large(b *testing.B) []byte {
	b.Helper()
	if os.Getenv("MUSTER_NIX_CORPUS") != "" {
		var list bytes.Buffer
		list.WriteString("[\n")
		for _, name := range corpus(b) {
			src, err := os.ReadFile(name)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := ParseFile(name, src, Options{}); err == nil && len(src) > 20_000 {
				list.WriteString("(")
				list.Write(src)
				list.WriteString("\n)\n")
			}
		}
		list.WriteString("]\n")
		return list.Bytes()
	}
	all := &List{}
	for seed := range 3_000 {
		all.Elems = append(all.Elems, newGen(uint64(seed)).expr(5))
	}
	return Format(&File{Expr: all})
}

func BenchmarkParse(b *testing.B) {
	src := large(b)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseFile("large.nix", src, Options{Pipes: true}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	src := string(large(b))
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		s := scanner{src: src, line: 1}
		for s.next(); s.tok != tokEOF; s.next() {
		}
	}
}

func BenchmarkPrint(b *testing.B) {
	f, err := ParseFile("large.nix", large(b), Options{Pipes: true})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(Format(f))))
	b.ReportAllocs()
	for b.Loop() {
		if err := Fprint(io.Discard, f); err != nil {
			b.Fatal(err)
		}
	}
}
