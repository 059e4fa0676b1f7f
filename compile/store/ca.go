package store

import (
	"fmt"
	"strings"
)

// A ContentAddress says how the contents of a store object determine its path. The store's database spells it
//
//	text:sha256:<base 32>        a text, such as a .drv file: the hash of its bytes
//	fixed:<algo>:<base 32>       a single file: the hash of its bytes
//	fixed:r:<algo>:<base 32>     any tree: the hash of its archive
type ContentAddress struct {
	Method CAMethod
	Hash   Hash
}

// A CAMethod says what a content address is the hash of.
type CAMethod string

const (
	CAText CAMethod = "text:"    // the bytes of a text with references
	CAFlat CAMethod = "fixed:"   // the bytes of a file
	CATree CAMethod = "fixed:r:" // an archive
)

// ParseCA parses a content address.
func ParseCA(s string) (ContentAddress, error) {
	for _, m := range []CAMethod{CAText, CATree, CAFlat} { // fixed: begins fixed:r:
		rest, ok := strings.CutPrefix(s, string(m))
		if !ok {
			continue
		}
		h, err := ParseHash(rest, "")
		if err == nil && m == CAText && h.Algo() != SHA256 {
			err = fmt.Errorf("want a sha256 hash of a text")
		}
		if err != nil {
			return ContentAddress{}, fmt.Errorf("parse content address %q: %w", s, err)
		}
		return ContentAddress{Method: m, Hash: h}, nil
	}
	return ContentAddress{}, fmt.Errorf("parse content address %q: want text:…, fixed:… or fixed:r:…", s)
}

// Path returns where content of this address and these references is stored. The references leave out the path itself;
// self says that it is among them.
func (c ContentAddress) Path(name string, refs []Path, self bool) (Path, error) {
	switch {
	case c.Method == CAText && !self:
		return textPath(name, c.Hash, refs)
	case c.Method == CATree && c.Hash.Algo() == SHA256:
		return SourcePath(name, c.Hash, refs, self)
	case c.Method != CAText && len(refs) == 0 && !self:
		return FixedPath(name, c.Hash, c.Method == CATree)
	}
	return "", fmt.Errorf("compute store path of %q: content of type %q cannot have these references", name, string(c.Method))
}
