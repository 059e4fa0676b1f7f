package nixserve

import (
	"bufio"
	"bytes"

	"muster/compile/store"
)

// A Relay has one server read store paths and another add them, without this process
// between the two: the answers of the first are parts of the requests to the second.
//
//	Read ─▶ nix-store --serve ─▶ greeting, archive, archive, …
//	Greeting, Headers[0], archive, Headers[1], archive, … ─▶ nix-store --serve --write
//
// The second server refuses an archive that has another hash than its header says.
type Relay struct {
	Read     []byte // all that the first server is told
	Skip     int    // bytes of the first server's greeting
	Greeting []byte // what the second server is told first
	Headers  [][]byte
	Sizes    []int64 // of the archives
}

// greetingSize is how long a greeting is in both directions.
const greetingSize = 16

// NewRelay is the relay of some paths, references first.
func NewRelay(infos []PathInfo) *Relay {
	r := &Relay{Skip: greetingSize}
	r.Greeting = written(func(c *Client) { c.greet() })
	r.Read = written(func(c *Client) {
		c.greet()
		for _, info := range infos {
			c.out.PutUint64(cmdDumpStorePath)
			c.out.PutString(string(info.Path))
		}
	})
	for _, info := range infos {
		r.Headers = append(r.Headers, written(func(c *Client) { c.putAddToStoreNAR(info) }))
		r.Sizes = append(r.Sizes, info.NARSize)
	}
	return r
}

// Added is how many paths the second server has confirmed with so many bytes of answers.
func (r *Relay) Added(answered int64) int { return int(max(answered-greetingSize, 0) / 8) }

// written is what a client writes.
func written(write func(*Client)) []byte {
	var b bytes.Buffer
	c := &Client{out: store.WireWriter{Writer: bufio.NewWriter(&b)}}
	write(c)
	c.out.Flush()
	return b.Bytes()
}
