package remote

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestUnreachable(t *testing.T) {
	listen := func(serve func(net.Conn)) int {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go serve(c)
			}
		}()
		return l.Addr().(*net.TCPAddr).Port
	}
	hold := func(c net.Conn) { io.Copy(io.Discard, c); c.Close() }
	const limit = 3 * time.Second
	for _, tt := range []struct {
		name string
		port int
		want string
	}{
		{"refused", freePort(t), "connection refused"},
		{"silent", listen(hold), "accepted the connection but did not finish the SSH handshake within 3s"},
		{"stops after its version", listen(func(c net.Conn) { c.Write([]byte("SSH-2.0-Test\r\n")); hold(c) }), "accepted the connection but did not finish the SSH handshake within 3s"},
		{"hangs up", listen(func(c net.Conn) { c.Close() }), "keeps closing the connection (tried for 3s)"},
		{"hangs up after its version", listen(func(c net.Conn) { c.Write([]byte("SSH-2.0-Test\r\n")); c.Close() }), "keeps closing the connection (tried for 3s)"},
		{"not ssh", listen(func(c net.Conn) { c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")); c.Close() }), "unreachable: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var err error
			ends(t, func() {
				err = dialOnce(t, Config{ConfigFile: "none", ConnectTimeout: limit}, Target{Name: "web1", Address: "127.0.0.1", Port: tt.port})
			})
			if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("no such name", func(t *testing.T) {
		err := dialOnce(t, Config{ConfigFile: "none", ConnectTimeout: 2 * time.Second}, Target{Name: "web1.invalid"})
		if !errors.Is(err, ErrUnreachable) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx := shortContext(t, 200*time.Millisecond)
		var err error
		ends(t, func() {
			_, err = NewDialer(Config{ConfigFile: "none"}).Dial(ctx, Target{Address: "127.0.0.1", Port: listen(hold)})
		})
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnreachable) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
	t.Run("bad names", func(t *testing.T) {
		for _, name := range []string{"", "-oProxyCommand=x", "a b", "a\nb"} {
			if err := dialOnce(t, Config{ConfigFile: "none"}, Target{Address: name}); err == nil || errors.Is(err, ErrUnreachable) {
				t.Errorf("%q: got %v", name, err)
			}
		}
	})
}

// sshd drops connections when too many are unauthenticated. All dials succeed in the end.
func TestManyDialsPastMaxStartups(t *testing.T) {
	s := startSSHD(t, "MaxStartups 2:100:2")
	d := NewDialer(Config{ConfigFile: s.client(t)})
	defer d.Close()
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			m, err := d.Dial(t.Context(), Target{Name: "host"})
			if err != nil {
				t.Error(err)
				return
			}
			m.Close()
		})
	}
	wg.Wait()
	if !strings.Contains(s.log.String(), "MaxStartups") {
		t.Errorf("sshd has dropped none: the test shows nothing\n%s", s.log)
	}
}
