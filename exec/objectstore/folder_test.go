package objectstore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A thisMachine runs commands here, behind a login shell that greets.
type thisMachine struct{}

func here(context.Context, *url.URL) (Shell, error) { return thisMachine{}, nil }

func (thisMachine) Feed(ctx context.Context, argv []string, stdin io.Reader, stdout, stderr io.Writer) error {
	io.WriteString(stdout, "Welcome!\nmuster-object-less\n")
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	return cmd.Run()
}

func folderAt(t *testing.T, dir string) Store {
	t.Helper()
	s, err := Open("ssh://deploy@web1:2222"+dir, Options{Connect: here})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAFolderThatIsMissing(t *testing.T) {
	s := folderAt(t, filepath.Join(t.TempDir(), "none"))
	const want = "there is no folder"
	if _, _, err := Read(t.Context(), s, "x", ReadOptions{Limit: 10}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("read: %v", err)
	}
	if err := Write(t.Context(), s, "x", []byte("text"), Condition{}); err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, ErrUnreachable) {
		t.Errorf("write: %v", err)
	}
}

// What a web server shows of a folder is whole, and can be read by it. A link leads nowhere.
func TestFilesOfAFolder(t *testing.T) {
	dir := t.TempDir()
	s := folderAt(t, dir)
	if err := Write(t.Context(), s, "a b/$x'\"/c.json", []byte("text"), Condition{}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "a b/$x'\"/c.json"))
	if err != nil || info.Mode() != 0o644 {
		t.Errorf("%v, %v", info, err)
	}
	if err := s.Put(t.Context(), "half", strings.NewReader("half"), 100, Condition{}); err == nil || !strings.Contains(err.Error(), "it ends after 4 of 100 bytes") {
		t.Errorf("half an object: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("what is left: %v, %v", entries, err)
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"link", "a b"} {
		if _, err := s.Get(t.Context(), key, ""); err == nil || !strings.Contains(err.Error(), "not a file") {
			t.Errorf("%s: %v", key, err)
		}
	}
	if err := Write(t.Context(), s, "a b", nil, Condition{}); err == nil || !strings.Contains(err.Error(), "directory") {
		t.Errorf("a directory in the place of an object: %v", err)
	}
}

// Of writers with a condition one wins.
func TestWritersOfAFolder(t *testing.T) {
	s := folderAt(t, t.TempDir())
	var mu sync.Mutex
	var g sync.WaitGroup
	won := 0
	for range 8 {
		g.Go(func() {
			err := Write(t.Context(), s, "x", []byte("one"), Condition{Absent: true})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.Is(err, ErrConflict) {
				t.Error(err)
			}
		})
	}
	g.Wait()
	if won != 1 {
		t.Errorf("%d writers have won", won)
	}
}

// A large object arrives whole, and one that is not read to its end ends its request.
func TestALargeObjectOfAFolder(t *testing.T) {
	s := folderAt(t, t.TempDir())
	large := bytes.Repeat([]byte("muster\n"), 1<<20)
	if err := Write(t.Context(), s, "nar/x", large, Condition{}); err != nil {
		t.Fatal(err)
	}
	text, tag, err := Read(t.Context(), s, "nar/x", ReadOptions{Limit: 10 << 20})
	if err != nil || !bytes.Equal(text, large) {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if _, err := s.Get(t.Context(), "nar/x", tag); !errors.Is(err, ErrNotModified) {
		t.Errorf("got %v", err)
	}
	if _, _, err := Read(t.Context(), s, "nar/x", ReadOptions{Limit: 10}); err == nil || !strings.Contains(err.Error(), "longer than 10 bytes") {
		t.Errorf("got %v", err)
	}
}

// A brokenShell ends before it has answered.
type brokenShell struct{ says string }

func (b brokenShell) Feed(_ context.Context, _ []string, _ io.Reader, stdout, stderr io.Writer) error {
	io.WriteString(stdout, b.says)
	io.WriteString(stderr, "bash: sh: not found\n")
	return errors.New("exit status 127")
}

func TestAMachineThatDoesNotAnswer(t *testing.T) {
	connections := 0
	for name, tt := range map[string]struct{ says, want string }{
		"nothing":             {"", "exit status 127: bash: sh: not found"},
		"something else":      {strings.Repeat("hello\n", 20000), "its shell prints 64 kB before the answer"},
		"half an object":      {"muster-object object 10 abc\n12345", "exit status 127"},
		"not a size":          {"muster-object object -1 abc\n12345", "unexpected answer"},
		"a word of the store": {"muster-object x\n", "unexpected answer"},
	} {
		s, err := Open("ssh://web1/srv", Options{Connect: func(context.Context, *url.URL) (Shell, error) {
			connections++
			return brokenShell{tt.says}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, _, err := Read(t.Context(), s, "x", ReadOptions{Limit: 100}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: got %v, want %q", name, err, tt.want)
			}
		}
	}
	if connections < 6 {
		t.Errorf("%d connections: a request after a lost one connects anew", connections)
	}
	s, err := Open("ssh://web1/srv", Options{Connect: func(context.Context, *url.URL) (Shell, error) { return nil, errors.New("no route to host") }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "x", ""); !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v", err)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add("Welcome!\nmuster-object object 4 abc\ntext")
	f.Add("muster-object object 99999999999999999999 abc\n")
	f.Fuzz(func(t *testing.T, says string) {
		s, err := Open("ssh://web1/srv", Options{Connect: func(context.Context, *url.URL) (Shell, error) { return brokenShell{says}, nil }})
		if err != nil {
			t.Fatal(err)
		}
		if text, _, err := Read(t.Context(), s, "x", ReadOptions{Limit: 1 << 10}); err == nil && !strings.Contains(says, string(text)) {
			t.Errorf("%q", text)
		}
	})
}

// A request that waits while another one connects ends with its context.
func TestARequestThatWaitsForAConnection(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	s, err := Open("ssh://web1"+t.TempDir(), Options{Connect: func(ctx context.Context, u *url.URL) (Shell, error) {
		close(begun)
		<-goOn
		return here(ctx, u)
	}})
	if err != nil {
		t.Fatal(err)
	}
	var first sync.WaitGroup
	first.Go(func() {
		if _, err := s.Get(t.Context(), "x", ""); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	})
	<-begun
	why := errors.New("the user left")
	ctx, cancel := context.WithCancelCause(t.Context())
	second := make(chan error, 1)
	go func() {
		_, err := s.Get(ctx, "x", "")
		second <- err
	}()
	for len(s.(*folder).busy) < 2 {
		time.Sleep(time.Millisecond)
	}
	cancel(why)
	select {
	case err := <-second:
		if !errors.Is(err, why) {
			t.Errorf("got %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("it waits for the connection")
	}
	close(goOn)
	first.Wait()
}
