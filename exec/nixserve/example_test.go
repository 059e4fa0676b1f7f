package nixserve_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"

	"muster/compile/store"
	"muster/exec/nixserve"
)

// A client asks a store what it has, and adds what it lacks.
func ExampleClient() {
	hello, err := store.TextPath("hello", "hello\n", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	var archive bytes.Buffer
	if err := store.DumpFile(&archive, []byte("hello\n"), false); err != nil {
		fmt.Println(err)
		return
	}

	ctx := context.Background()
	here, there := net.Pipe()
	go serve(there)
	client, err := nixserve.New(ctx, pipe{here}) // or a process, or an SSH session
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	valid, err := client.QueryValidPaths(ctx, []store.Path{hello}, true, false)
	fmt.Printf("valid: %d, %v\n", len(valid), err)

	info := nixserve.PathInfo{
		Path:    hello,
		NARHash: store.HashBytes(store.SHA256, archive.Bytes()),
		NARSize: int64(archive.Len()),
		CA:      store.TextCA("hello\n"),
	}
	n, err := client.Send(ctx, []nixserve.PathInfo{info}, func(_ context.Context, _ nixserve.PathInfo, w io.Writer) error {
		_, err := w.Write(archive.Bytes())
		return err
	}, nil)
	fmt.Printf("added: %d, %v\n", n, err)

	valid, err = client.QueryValidPaths(ctx, []store.Path{hello}, true, false)
	fmt.Printf("valid: %d, %v\n", len(valid), err)
	// Output:
	// valid: 0, <nil>
	// added: 1, <nil>
	// valid: 1, <nil>
}

// A pipe is a Stream to a server in this process.
type pipe struct{ net.Conn }

func (p pipe) CloseWrite() error { return p.Close() }
func (p pipe) Wait() error       { return nil }
func (p pipe) Stderr() string    { return "" }

// serve is a store in memory, which knows two requests.
func serve(conn net.Conn) {
	defer conn.Close()
	in := store.WireReader{Reader: bufio.NewReader(conn)}
	out := store.WireWriter{Writer: bufio.NewWriter(conn)}
	in.Discard(2 * 8)          // the client's greeting
	out.PutUint64(0x5452eecb)  // the server's
	out.PutUint64(2<<8 | 7)    // version 2.7
	valid := map[string]bool{} // the store
	for out.Flush() == nil {
		request, err := in.Uint64()
		if err != nil {
			return
		}
		switch request {
		case 1: // QueryValidPaths
			in.Discard(2 * 8) // whether to lock, and to substitute
			paths, _ := in.Paths(100)
			var list []store.Path
			for _, p := range paths {
				if valid[string(p)] {
					list = append(list, p)
				}
			}
			out.PutPaths(list)
		case 9: // AddToStoreNar
			path, _ := in.String(300)
			in.String(300) // deriver
			in.String(100) // hash
			in.Paths(100)  // references
			in.Uint64()    // registration time
			size, _ := in.Uint64()
			in.Uint64()         // ultimate
			in.Strings(10, 300) // signatures
			in.String(300)      // content address
			in.Discard(int(size))
			valid[path] = true
			out.PutUint64(1)
		}
	}
}
