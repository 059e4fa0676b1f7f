package nixserve

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"muster/compile/store"
)

// A Relay has one server read store paths and another add them, without this process
// between the two: the answers of the first are parts of the requests to the second.
//
//	requests ─▶ nix-store --serve ─▶ greeting, archive, archive, …
//	adds: header, [archive], header, [archive], … ─▶ nix-store --serve --write
//
// The second server refuses an archive that has another hash than its header says.
type Relay struct {
	requests, adds io.Writer
}

// GreetingSize is how many bytes a server sends before its first answer.
const GreetingSize = 16

// NewRelay begins a relay. What the first server is to be told goes to requests. What the
// second one is to be told goes to adds, with a line of two numbers before each header:
//
//	BYTES OF THE HEADER, BYTES OF THE ARCHIVE BEHIND IT
func NewRelay(requests, adds io.Writer) (*Relay, error) {
	r := &Relay{requests: requests, adds: adds}
	greeting := written(func(c *Client) { c.greet() })
	if _, err := requests.Write(greeting); err != nil {
		return nil, err
	}
	return r, r.add(greeting, 0)
}

// Send has paths sent from the first server to the second, references first. The archives
// may be under way when it returns.
func (r *Relay) Send(infos []PathInfo) error {
	dumps := written(func(c *Client) {
		for _, info := range infos {
			c.out.PutUint64(cmdDumpStorePath)
			c.out.PutString(string(info.Path))
		}
	})
	if _, err := r.requests.Write(dumps); err != nil {
		return err
	}
	for _, info := range infos {
		if err := r.add(written(func(c *Client) { c.putAddToStoreNAR(info) }), info.NARSize); err != nil {
			return err
		}
	}
	return nil
}

func (r *Relay) add(header []byte, archive int64) error {
	_, err := fmt.Fprintf(r.adds, "%d %d\n%s", len(header), archive, header)
	return err
}

// Added is how many paths the second server has confirmed with so many bytes of answers.
func Added(answered int64) int { return int(max(answered-GreetingSize, 0) / 8) }

// written is what a client writes.
func written(write func(*Client)) []byte {
	var b bytes.Buffer
	c := &Client{out: store.WireWriter{Writer: bufio.NewWriter(&b)}}
	write(c)
	c.out.Flush()
	return b.Bytes()
}
