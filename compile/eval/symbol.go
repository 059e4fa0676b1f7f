package eval

import (
	"encoding/binary"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
)

// A symbol is the number of a name: names are often compared and rarely spelled
// out. Numbers are assigned in the order in which the process first sees names;
// 0 is no name. Attribute sets are sorted by symbol, not by spelling.
type symbol uint32

// symbols maps names to numbers in shards, each with a lock, and numbers to
// names in blocks that never move, so that String takes no lock.
var (
	symbols    symbolTable
	symbolSeed = maphash.MakeSeed()
)

type symbolTable struct {
	shards [64]symbolShard
	last   atomic.Uint32
	bytes  atomic.Int64 // about how much memory all names take; it is never freed
	blocks [1 << 16]atomic.Pointer[symbolBlock]
}

const symbolsPerBlock = 4096

type symbolBlock [symbolsPerBlock]symbolName

// A symbolName holds the spelling, and the string value of it that attrNames
// and mapAttrs return.
type symbolName struct {
	name   string
	prefix uint64 // the first 8 bytes, the first the most significant: it sorts as they do
	value  stringObject
}

type symbolShard struct {
	sync.RWMutex
	ids map[string]symbol
}

// nameSize is about how many bytes of memory a name takes besides its spelling.
const nameSize = 100

// intern returns the symbol of a name, a new one if needed.
func intern(name string) symbol {
	shard := &symbols.shards[maphash.String(symbolSeed, name)%64]
	shard.RLock()
	s := shard.ids[name]
	shard.RUnlock()
	if s != 0 {
		return s
	}
	shard.Lock()
	defer shard.Unlock()
	if s := shard.ids[name]; s != 0 {
		return s
	}
	s = symbol(symbols.last.Add(1))
	slot := &symbols.blocks[s/symbolsPerBlock]
	block := slot.Load()
	if block == nil {
		slot.CompareAndSwap(nil, new(symbolBlock))
		block = slot.Load()
	}
	name = strings.Clone(name) // it may be part of a long text
	symbols.bytes.Add(int64(len(name)) + nameSize)
	entry := &block[s%symbolsPerBlock]
	entry.name = name
	var first [8]byte
	copy(first[:], name)
	entry.prefix = binary.BigEndian.Uint64(first[:])
	entry.value = stringObject{object{kind: kindString, n: uint32(s)}, name}
	if shard.ids == nil {
		shard.ids = make(map[string]symbol)
	}
	shard.ids[name] = s
	return s
}

// symbolOf is intern for the text of a string. The string remembers its symbol.
func symbolOf(v value) symbol {
	s := symbol(atomic.LoadUint32(&v.o.n))
	if s == 0 {
		s = intern(v.str())
		atomic.StoreUint32(&v.o.n, uint32(s))
	}
	return s
}

// lookupOf is lookup for the text of a string.
func lookupOf(v value) symbol {
	s := symbol(atomic.LoadUint32(&v.o.n))
	if s == 0 {
		if s = lookup(v.str()); s != 0 {
			atomic.StoreUint32(&v.o.n, uint32(s))
		}
	}
	return s
}

// lookup returns the symbol of a name, 0 if it has none.
func lookup(name string) symbol {
	shard := &symbols.shards[maphash.String(symbolSeed, name)%64]
	shard.RLock()
	defer shard.RUnlock()
	return shard.ids[name]
}

func (s symbol) entry() *symbolName {
	return &symbols.blocks[s/symbolsPerBlock].Load()[s%symbolsPerBlock]
}

// String returns the name itself.
func (s symbol) String() string {
	if s == 0 {
		return ""
	}
	return s.entry().name
}

// value returns the name as a string of the language, without allocating.
func (s symbol) value() value { return value{&s.entry().value.object} }

// Nix interns these names first, in this order (StaticEvalSymbols). Sets are
// compared in the order of symbols, and an error in comparing shows that order.
var _ = internAll(`<with> outPath drvPath type meta name value system __overrides outputs outputName
	__ignoreNulls file line column __functor __toString right wrong __structuredAttrs __json
	allowedReferences allowedRequisites disallowedReferences disallowedRequisites maxSize maxClosureSize
	builder args __contentAddressed __impure outputHash outputHashAlgo outputHashMode recurseForDerivations
	description self`, "", "startSet operator key path prefix outputSpecified requiredSystemFeatures __sub __lessThan __mul __div or __findFile __nixPath body")

// internAll interns the words of each list. A list without words is a name
// itself.
func internAll(lists ...string) bool {
	for _, list := range lists {
		if list == "" {
			intern(list)
		}
		for _, name := range strings.Fields(list) {
			intern(name)
		}
	}
	return true
}

// These names have a meaning to the evaluator.
var (
	symAllOutputs            = intern("allOutputs")
	symArgs                  = intern("args")
	symBody                  = intern("body")
	symBuilder               = intern("builder")
	symColumn                = intern("column")
	symContentAddressed      = intern("__contentAddressed")
	symDrvPath               = intern("drvPath")
	symFile                  = intern("file")
	symFilter                = intern("filter")
	symFunctor               = intern("__functor")
	symIgnoreNulls           = intern("__ignoreNulls")
	symImpure                = intern("__impure")
	symKey                   = intern("key")
	symLine                  = intern("line")
	symName                  = intern("name")
	symOperator              = intern("operator")
	symOutPath               = intern("outPath")
	symOutputHash            = intern("outputHash")
	symOutputHashAlgo        = intern("outputHashAlgo")
	symOutputHashMode        = intern("outputHashMode")
	symOutputName            = intern("outputName")
	symOutputs               = intern("outputs")
	symOverrides             = intern("__overrides")
	symPath                  = intern("path")
	symPrefix                = intern("prefix")
	symRecurseForDerivations = intern("recurseForDerivations")
	symRecursive             = intern("recursive")
	symRight                 = intern("right")
	symSha256                = intern("sha256")
	symStartSet              = intern("startSet")
	symStructuredAttrs       = intern("__structuredAttrs")
	symSuccess               = intern("success")
	symSystem                = intern("system")
	symToString              = intern("__toString")
	symType                  = intern("type")
	symURL                   = intern("url")
	symValue                 = intern("value")
	symVersion               = intern("version")
	symWrong                 = intern("wrong")
)
