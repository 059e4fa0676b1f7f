package archive

import (
	"slices"

	"muster/compile/store"
)

// A path refers to another if the digest of the other occurs in its contents: this is how Nix finds the references of what
// it builds (src/libstore/references.cc). A scanner does the same with the archives of paths.

const (
	digestLen  = 32 // characters of a digest
	filterLen  = 4  // of these the filter looks at
	filterBits = 5 * filterLen
)

// base32Values are the values of the digits of Nix's base 32, and notDigit.
var base32Values = func() (t [256]byte) {
	for i := range t {
		t[i] = notDigit
	}
	for v, c := range []byte("0123456789abcdfghijklmnpqrsvwxyz") {
		t[c] = byte(v)
	}
	return t
}()

const notDigit = 0xff

// A scanner knows which paths to look for. It can be used from several goroutines.
type scanner struct {
	paths  []store.Path // sorted
	index  map[[digestLen]byte]int32
	filter []uint64 // a bit for each beginning of a digest that is in index
}

// newScanner makes a scanner for references to paths.
func newScanner(paths []store.Path) *scanner {
	s := &scanner{paths: slices.Sorted(slices.Values(paths)), index: make(map[[digestLen]byte]int32, len(paths)), filter: make([]uint64, 1<<filterBits/64)}
	for i, p := range s.paths {
		digest := []byte(p.Digest())
		s.index[[digestLen]byte(digest)] = int32(i)
		at := filterIndex(digest)
		s.filter[at/64] |= 1 << (at % 64)
	}
	return s
}

func filterIndex(digest []byte) (at uint32) {
	for _, c := range digest[:filterLen] {
		at = at<<5 | uint32(base32Values[c])
	}
	return at
}

// A scan looks for references in what is written to it.
type scan struct {
	*scanner
	found map[int32]bool
	edge  []byte // the last bytes written, less than a digest
}

func (s *scanner) scan() *scan {
	return &scan{scanner: s, found: make(map[int32]bool), edge: make([]byte, 0, 2*digestLen)}
}

// Write never fails.
func (s *scan) Write(p []byte) (int, error) {
	n := len(p)
	head := p[:min(n, digestLen-1)]
	s.edge = append(s.edge, head...)
	s.search(s.edge)
	if n < digestLen {
		if extra := len(s.edge) - (digestLen - 1); extra > 0 {
			s.edge = s.edge[:copy(s.edge, s.edge[extra:])]
		}
		return n, nil
	}
	s.search(p)
	s.edge = append(s.edge[:0], p[n-(digestLen-1):]...)
	return n, nil
}

// search looks at every run of digestLen digits in b.
func (s *scan) search(b []byte) {
	for end := digestLen - 1; end < len(b); {
		// From the end backwards: most windows are left far behind by one look.
		at := end
		for at > end-digestLen && base32Values[b[at]] != notDigit {
			at--
		}
		if at > end-digestLen {
			end = at + digestLen
			continue
		}
		for ; end < len(b) && base32Values[b[end]] != notDigit; end++ {
			s.look(b[end-digestLen+1 : end+1])
		}
		end += digestLen
	}
}

func (s *scan) look(digest []byte) {
	at := filterIndex(digest)
	if s.filter[at/64]&(1<<(at%64)) == 0 {
		return
	}
	if i, ok := s.index[[digestLen]byte(digest)]; ok {
		s.found[i] = true
	}
}

// differs returns the paths that are either among references or were found, but not both.
func (s *scan) differs(references []store.Path) []store.Path {
	var list []store.Path
	listed := make(map[store.Path]bool, len(references))
	for _, r := range references {
		listed[r] = true
		i, known := slices.BinarySearch(s.paths, r)
		if !known || !s.found[int32(i)] {
			list = append(list, r)
		}
	}
	for i := range s.found {
		if p := s.paths[i]; !listed[p] {
			list = append(list, p)
		}
	}
	slices.Sort(list)
	return list
}
