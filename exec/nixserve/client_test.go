package nixserve

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"muster/compile/store"
	"muster/exec/lab/storelab"
)

func TestGreeting(t *testing.T) {
	say := func(text string, stderr string, status int) storelab.Server {
		return func(in *bufio.Reader, out io.Writer) (string, int) {
			io.WriteString(out, text)
			return stderr, status
		}
	}
	tests := []struct {
		name  string
		serve storelab.Server
		is    error
		text  string
	}{
		{"a login script that prints", say("Welcome to web1!\nLast login: today\n", "", 0), ErrNotServe, `printed "Welcome to web1!\nLast login: today\n"`},
		{"one that prints little", say("hi\n", "", 1), ErrNotServe, `printed "hi\n"`},
		{"no nix-store", say("", "sh: 1: nix-store: not found\n", 127), ErrNoServer, "nix-store was not found: sh: 1: nix-store: not found"},
		{"no nix-store for sudo", say("", "sudo: nix-store: command not found\n", 1), ErrNoServer, "sudo: nix-store: command not found"},
		{"refused", say("", "\x1b[31;1merror:\x1b[0m cannot open the database\n", 1), ErrRefused, "nix-store --serve: cannot open the database"},
		{"silence", say("", "", 1), ErrRefused, "ended without an error message: exit status 1"},
		{"half a greeting", say(string(storelab.Words(storelab.ServerMagic)), "", 1), nil, "ended without an error message"},
		{"too old", say(string(storelab.Words(storelab.ServerMagic, 2<<8|4)), "", 0), ErrTooOld, "version 2.4 of the protocol, 2.5 (Nix 2.3) is needed"},
		{"another major version", say(string(storelab.Words(storelab.ServerMagic, 3<<8)), "", 0), ErrTooOld, "version 3.0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := storelab.Serve(t, func(in *bufio.Reader, out io.Writer) (string, int) {
				in.Discard(16)
				return tt.serve(in, out)
			})
			_, err := New(context.Background(), f)
			if err == nil || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want an error with %q", err, tt.text)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
		})
	}
}

func TestGreetingOfAShellThatHangs(t *testing.T) {
	f := storelab.Serve(t, func(in *bufio.Reader, out io.Writer) (string, int) {
		in.Discard(16)
		io.WriteString(out, "login: ")
		io.Copy(io.Discard, in)
		return "", 0
	})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := New(ctx, f); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	f = storelab.Serve(t, func(in *bufio.Reader, out io.Writer) (string, int) {
		in.Discard(16)
		io.WriteString(out, "Password for operator: ")
		io.Copy(io.Discard, in)
		return "", 0
	})
	if _, err := New(context.Background(), f); !errors.Is(err, ErrNotServe) || !strings.Contains(err.Error(), "Password for") {
		t.Errorf("got %v, want what was printed", err)
	}
}

func TestNewerServersAreSpokenTo(t *testing.T) {
	f := storelab.Serve(t, func(in *bufio.Reader, out io.Writer) (string, int) {
		in.Discard(8)
		var b [8]byte
		io.ReadFull(in, b[:])
		if v := binary.LittleEndian.Uint64(b[:]); v != 0x207 {
			return fmt.Sprintf("error: client version %#x", v), 1
		}
		out.Write(storelab.Words(storelab.ServerMagic, 2<<8|42))
		io.Copy(io.Discard, in)
		return "", 0
	})
	c, err := New(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	if c.version != 2<<8|42 {
		t.Errorf("got version %#x", c.version)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

const somePath = store.Path("/nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-some")

func someInfos(t *testing.T, n int) []PathInfo {
	infos := make([]PathInfo, n)
	for i := range infos {
		text := fmt.Sprint(i)
		p, err := store.TextPath("t", text, nil)
		if err != nil {
			t.Fatal(err)
		}
		infos[i] = PathInfo{Path: p, NARHash: store.HashString(store.SHA256, text), NARSize: 1000}
	}
	return infos
}

// ones is a NARFunc of the wrong bytes in the right number.
func ones(_ context.Context, info PathInfo, w io.Writer) error {
	_, err := w.Write([]byte(strings.Repeat("1", int(info.NARSize))))
	return err
}

func TestServerThatEndsInTheMiddle(t *testing.T) {
	tests := []struct {
		name   string
		stderr string
		is     error
		hint   string
	}{
		{"untrusted user, old words", "error: cannot add path '" + string(somePath) + "' because it lacks a valid signature\n", ErrUntrusted, "trusted-users"},
		{"untrusted user, new words", "error: cannot add path '" + string(somePath) + "' because it lacks a signature by a trusted key\n", ErrUntrusted, "nix store sign"},
		{"disk full", "error: writing to file: No space left on device\n", ErrDiskFull, "free space"},
		{"database full", "error: executing SQLite statement: database or disk is full\n", ErrDiskFull, "free space"},
		{"anything else", "warning: x\nerror: the sky fell\n", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := storelab.Serve(t, storelab.Greeted(func(in *bufio.Reader, out io.Writer) (string, int) {
				out.Write(storelab.Words(1, 1, 1)) // three paths, and then the end
				in.Discard(4000)
				return tt.stderr, 1
			}))
			c, err := New(context.Background(), f)
			if err != nil {
				t.Fatal(err)
			}
			infos := someInfos(t, 300) // more than any buffer takes
			n, err := c.Send(context.Background(), infos, ones, nil)
			var server *ServerError
			if !errors.As(err, &server) {
				t.Fatalf("got %v, want a ServerError", err)
			}
			if n != 3 || server.Path != infos[3].Path {
				t.Errorf("%d paths confirmed, %s blamed; want 3 and %s", n, server.Path, infos[3].Path)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
			if server.Stderr != tt.stderr || !strings.Contains(tt.stderr, server.Reason) || !strings.Contains(err.Error(), server.Reason) || server.Reason == "" {
				t.Errorf("stderr %q, reason %q, text %q", server.Stderr, server.Reason, err)
			}
			if !strings.Contains(server.Hint(), tt.hint) || (tt.hint == "") != (server.Hint() == "") {
				t.Errorf("hint %q", server.Hint())
			}
			if _, again := c.QueryValidPaths(context.Background(), []store.Path{somePath}, false, false); !errors.As(again, &server) {
				t.Errorf("after that: %v", again)
			}
			if err := c.Close(); err != nil {
				t.Errorf("Close reports it again: %v", err)
			}
		})
	}
}

func TestMalformedReplies(t *testing.T) {
	info := func(deriver, hash string, size uint64) []byte {
		return slices.Concat(storelab.String(string(somePath)), storelab.String(deriver), storelab.Words(0), storelab.Words(0, size), storelab.String(hash), storelab.String(""), storelab.Words(0), storelab.String(""))
	}
	const hash = "sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s"
	valid := func(c *Client) error {
		_, err := c.QueryValidPaths(context.Background(), []store.Path{somePath}, true, false)
		return err
	}
	infos := func(c *Client) error {
		_, err := c.QueryPathInfos(context.Background(), []store.Path{somePath})
		return err
	}
	closure := func(c *Client) error {
		_, err := c.QueryClosure(context.Background(), []store.Path{somePath}, false)
		return err
	}
	send := func(c *Client) error {
		_, err := c.Send(context.Background(), someInfos(t, 300), ones, nil)
		return err
	}
	tests := []struct {
		name  string
		reply []byte
		ask   func(*Client) error
		err   string
	}{
		{"good", slices.Concat(storelab.Words(1), storelab.String(string(somePath))), valid, ""},
		{"good info", info("", hash, 100), infos, ""},
		{"not a path", slices.Concat(storelab.Words(1), storelab.String("/etc/passwd")), valid, `parse store path "/etc/passwd"`},
		{"huge list", storelab.Words(1 << 60), valid, "a list of 1152921504606846976 strings"},
		{"huge string", storelab.Words(1, 1<<60), closure, "a string of 1152921504606846976 bytes"},
		{"padding", slices.Concat(storelab.Words(1, 3), []byte("abcdefgh")), valid, `padding that is not zero after "abc"`},
		{"bad deriver", info("x", hash, 100), infos, "deriver: "},
		{"bad hash", info("", "sha256:zz", 100), infos, "wrong length"},
		{"bad size", info("", hash, 1<<63), infos, "an archive of 9223372036854775808 bytes"},
		{"not one", storelab.Words(1, 7), send, "0x7 for an added path, want 1"},
		{"more paths than asked for", storelab.Words(2), valid, "a list of 2 strings, want at most 1"},
		{"more infos than asked for", slices.Concat(info("", hash, 100)[:len(info("", hash, 100))-8], info("", hash, 100)), infos, "infos of more paths than the 1 asked for"},
		{"ends early", storelab.Words(1), valid, "ended without an error message"},
		{"ends in a path info", info("", hash, 100)[:80], infos, "ended without an error message"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := storelab.Serve(t, storelab.Greeted(func(in *bufio.Reader, out io.Writer) (string, int) {
				go io.Copy(io.Discard, in)
				out.Write(tt.reply)
				return "", 0
			}))
			c, err := New(context.Background(), f)
			if err != nil {
				t.Fatal(err)
			}
			err = tt.ask(c)
			if tt.err == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, want an error with %q", err, tt.err)
			}
		})
	}
}

func TestCancelledCallEndsAtOnce(t *testing.T) {
	f := storelab.Serve(t, storelab.Greeted(func(in *bufio.Reader, out io.Writer) (string, int) {
		io.Copy(io.Discard, in) // reads everything, answers nothing
		return "", 1
	}))
	c, err := New(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	done, cancelDone := context.WithCancel(context.Background())
	cancelDone()
	if _, err := c.QueryPathInfos(done, []store.Path{somePath}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	if c.Err() != nil {
		t.Errorf("a call that sent nothing ended the session: %v", c.Err())
	}
	why := errors.New("operator pressed ^C")
	ctx, cancel := context.WithCancelCause(context.Background())
	time.AfterFunc(50*time.Millisecond, func() { cancel(why) })
	start := time.Now()
	if _, err := c.Send(ctx, someInfos(t, 300), ones, nil); !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
	if took := time.Since(start); took > 2*time.Minute {
		t.Errorf("it took %v", took)
	}
}

func TestSenderThatIsWrong(t *testing.T) {
	tests := []struct {
		name string
		send NARFunc
		text string
	}{
		{"too long", func(_ context.Context, info PathInfo, w io.Writer) error {
			_, err := w.Write(make([]byte, info.NARSize+1))
			return err
		}, "its archive is longer than recorded"},
		{"too short", func(_ context.Context, info PathInfo, w io.Writer) error {
			_, err := w.Write(make([]byte, info.NARSize-1))
			return err
		}, "its archive lacks 1 of 1000 bytes"},
		{"unreadable", func(context.Context, PathInfo, io.Writer) error { return iotest.ErrTimeout }, "timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := storelab.Serve(t, storelab.Greeted(func(in *bufio.Reader, out io.Writer) (string, int) {
				io.Copy(io.Discard, in)
				return "error: unexpected end-of-file", 1
			}))
			c, err := New(context.Background(), f)
			if err != nil {
				t.Fatal(err)
			}
			infos := someInfos(t, 2)
			_, err = c.Send(context.Background(), infos, tt.send, nil)
			var path *PathError
			if !errors.As(err, &path) || path.Path != infos[0].Path || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want a PathError with %q", err, tt.text)
			}
		})
	}
}

func TestReason(t *testing.T) {
	long := strings.Repeat("a line of a build's log\n", 1000)
	tests := []struct{ name, stderr, want string }{
		{"nothing", "", ""},
		{"one line", "error: disk\n", "disk"},
		{"colours", "\x1b[35;1mwarning:\x1b[0m x\n\x1b[31;1merror:\x1b[0m path '\x1b[35;1m/nix\x1b[0m'", "path '/nix'"},
		{"newer Nix puts the message last", "error:\n       … while adding\n\n       error: no space", "no space"},
		{"no error", "sudo: a password is required\n", "sudo: a password is required"},
		{"an unfinished colour", "x\x1b[31", "x"},
		{"a long log", long, strings.TrimSpace(strings.Repeat("a line of a build's log\n", 83))},
	}
	for _, tt := range tests {
		if got := reason(tt.stderr); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func FuzzReply(f *testing.F) {
	f.Add(slices.Concat(storelab.Words(1), storelab.String(string(somePath))))
	f.Add(slices.Concat(storelab.String(string(somePath)), storelab.String(""), storelab.Words(0, 0, 120),
		storelab.String("sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s"), storelab.String(""), storelab.Words(1), storelab.String("k:AAAA"), storelab.String("")))
	f.Fuzz(func(t *testing.T, reply []byte) {
		reader := func() store.WireReader {
			return store.WireReader{Reader: bufio.NewReader(strings.NewReader(string(reply)))}
		}
		if paths, err := reader().Paths(maxReferences); err == nil {
			for _, p := range paths {
				if _, err := store.ParsePath(string(p)); err != nil {
					t.Error(err)
				}
			}
		}
		if infos, err := readPathInfos(reader(), maxReferences); err == nil {
			for _, i := range infos {
				if i.NARSize < 0 || i.NARHash.Algo() != store.SHA256 {
					t.Errorf("%+v", i)
				}
			}
		}
	})
}
