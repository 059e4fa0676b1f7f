package nixcmd

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestMatchExec(t *testing.T) {
	for command, want := range map[string]bool{"true": true, "false": false, "exit 7": false, "test -n x && true": true} {
		if got, err := MatchExec(t.Context(), command); got != want || err != nil {
			t.Errorf("%s: got %v, %v", command, got, err)
		}
	}
	if _, err := MatchExec(t.Context(), "kill -9 $$"); err == nil {
		t.Error("a command that a signal ends says neither yes nor no")
	}
}

func TestKnownHostsCommand(t *testing.T) {
	got, err := KnownHostsCommand(t.Context(), []string{"/bin/echo", "web1", "a b"})
	if err != nil || string(got) != "web1 a b\n" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, argv := range [][]string{nil, {"echo"}, {"/bin/false"}, {"/nonexistent"}} {
		if _, err := KnownHostsCommand(t.Context(), argv); err == nil {
			t.Errorf("%q: no error", argv)
		}
	}
}

// passTo is the variable that makes TestPassAConnectionOn a ProxyCommand.
const passTo = "MUSTER_TEST_PASS_TO"

// TestPassAConnectionOn is not a test: it connects to the address in the variable, and passes the connection on.
func TestPassAConnectionOn(t *testing.T) {
	address := os.Getenv(passTo)
	if address == "" {
		t.Skip("run by TestProxyPasses")
	}
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	f, err := c.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Sendmsg(1, []byte{0}, syscall.UnixRights(int(f.Fd())), nil, 0); err != nil {
		t.Fatal(err)
	}
	os.Exit(0)
}

func TestProxyPasses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			fmt.Fprint(c, "hello")
			c.Close()
		}
	}()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SHELL", "/bin/sh")
	t.Setenv(passTo, l.Addr().String())
	c, err := ProxyPasses(t.Context(), self+" -test.run '^TestPassAConnectionOn$'")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	greeting := make([]byte, 5)
	if _, err := c.Read(greeting); err != nil || string(greeting) != "hello" {
		t.Errorf("got %q, %v", greeting, err)
	}
	for command, want := range map[string]string{"true": "passed no connection on", "exit 3": "exit status 3", "echo x": "passed no connection on"} {
		if _, err := ProxyPasses(t.Context(), "sh -c '"+command+"'"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", command, err, want)
		}
	}
}

func TestAskPassphrase(t *testing.T) {
	program := t.TempDir() + "/ask"
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho \"$1secret\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := AskPassphrase(t.Context(), program, "/k")
	if err != nil || string(got) != "Enter passphrase for key '/k': secret" {
		t.Errorf("got %q, %v", got, err)
	}
}
