package cmd

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// A secretSearch looks for secrets in data: as they are, in hexadecimal digits, in
// base64 at every alignment, and in what is compressed with gzip, xz or zstd.
type secretSearch struct {
	mu    sync.Mutex
	begin map[[8]byte][]secretForm // by their first bytes
	first [1 << 16]bool            // by their first two
	found []string
	bytes int64 // that were looked at
	files int
}

// A secretForm is a text by which a secret is recognized.
type secretForm struct {
	secret, form string
	text         []byte
}

// needle is how much of a secret is looked for, in bytes.
const needle = 16

// add has a secret looked for: each line of it, or what a line of base64 stands for.
func (s *secretSearch) add(name string, content []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key, err := ssh.ParseRawPrivateKey(content); err == nil {
		if key, ok := key.(*ed25519.PrivateKey); ok {
			s.addForms(name+", decoded", key.Seed())
			s.addForms(name, bytes.Split(content, []byte("\n"))[4]) // has the seed in its middle; others have the public key
			return
		}
	}
	if block, _ := pem.Decode(content); block != nil && block.Type == "PRIVATE KEY" {
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if key, ok := key.(*ecdsa.PrivateKey); ok && err == nil {
			raw, _ := key.Bytes()
			s.addForms(name+", decoded", raw)
			s.addForms(name, bytes.Split(content, []byte("\n"))[2][:needle]) // of the key alone
			return
		}
	}
	for line := range bytes.Lines(content) {
		line = bytes.TrimSpace(line)
		if len(line) < needle || bytes.HasPrefix(line, []byte("-----")) {
			continue
		}
		s.addForms(name, line)
		if raw, err := base64.StdEncoding.DecodeString(string(line)); err == nil && len(raw) >= needle {
			s.addForms(name+", decoded", raw)
		}
	}
}

func (s *secretSearch) addForms(name string, line []byte) {
	line = line[(len(line)-needle)/2:][:needle]
	s.addForm(name, "plain", line)
	s.addForm(name, "hex", []byte(hex.EncodeToString(line)))
	s.addForm(name, "HEX", []byte(strings.ToUpper(hex.EncodeToString(line))))
	for shift := range 3 {
		// The characters that depend on no neighbour.
		text := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), line...))
		from := (shift*8 + 5) / 6
		s.addForm(name, fmt.Sprintf("base64 at %d", shift), []byte(text[from:(shift+needle)*8/6]))
	}
}

func (s *secretSearch) addForm(name, form string, text []byte) {
	if s.begin == nil {
		s.begin = map[[8]byte][]secretForm{}
	}
	key := [8]byte(text)
	if slices.ContainsFunc(s.begin[key], func(f secretForm) bool { return bytes.Equal(f.text, text) }) {
		return
	}
	s.begin[key] = append(s.begin[key], secretForm{name, form, text})
	s.first[int(text[0])<<8|int(text[1])] = true
}

// in looks for secrets in data, which is where a text says it is.
func (s *secretSearch) in(where string, data []byte) {
	s.plainIn(where, data)
	if text := unpacked(data); text != nil {
		s.plainIn(where+" (compressed)", text)
	}
}

func (s *secretSearch) plainIn(where string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes += int64(len(data))
	for i := range max(0, len(data)-7) {
		if !s.first[int(data[i])<<8|int(data[i+1])] {
			continue
		}
		for _, f := range s.begin[[8]byte(data[i:])] {
			if bytes.HasPrefix(data[i:], f.text) {
				s.found = append(s.found, fmt.Sprintf("%s: secret %s, %s, at byte %d", where, f.secret, f.form, i))
			}
		}
	}
}

// mostUnpacked is how much of a compressed file is looked at.
const mostUnpacked = 256 << 20

// unpacked is what data are when they are decompressed, as far as they can be, or nil.
func unpacked(data []byte) []byte {
	var r io.Reader
	switch {
	case bytes.HasPrefix(data, []byte("\x1f\x8b")):
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil
		}
		r = z
	case bytes.HasPrefix(data, []byte("\x28\xb5\x2f\xfd")):
		z, err := zstd.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil
		}
		defer z.Close()
		r = z
	case bytes.HasPrefix(data, []byte("\xfd7zXZ\x00")):
		cmd := exec.Command("xz", "-dc")
		cmd.Stdin = bytes.NewReader(data)
		text, _ := cmd.Output()
		return text
	default:
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(r, mostUnpacked))
	return text
}

// kernelFiles are the file systems without files of anybody, and the one that secrets
// are in.
var kernelFiles = []int64{unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.DEVPTS_SUPER_MAGIC, unix.RAMFS_MAGIC}

// below looks for secrets in all files below a directory that have changed since a
// time, and in their names. who owns the directory is named with them.
func (s *secretSearch) below(who, root string, since time.Time, skip ...string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // gone since, or of a process that is
		}
		where := who + ":" + strings.TrimPrefix(path, root)
		if slices.Contains(skip, path) {
			return filepath.SkipDir
		}
		if d.IsDir() {
			var at unix.Statfs_t
			if unix.Statfs(path, &at) == nil && slices.Contains(kernelFiles, int64(at.Type)) {
				return filepath.SkipDir
			}
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); !ok || time.Unix(stat.Ctim.Unix()).Before(since) {
			return nil
		}
		s.plainIn(where, []byte(d.Name()))
		if d.Type()&fs.ModeSymlink != 0 {
			to, _ := os.Readlink(path)
			s.plainIn(where, []byte(to))
		}
		if !d.Type().IsRegular() {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		s.files++
		s.in(where, data)
		return nil
	})
}

// A processWatch samples the command lines and environments of all processes.
type processWatch struct {
	search    *secretSearch
	mayHave   func(pid string) bool // whether a process may have secrets in its environment
	stopping  chan struct{}
	done      chan struct{}
	samples   int
	processes map[string]bool
	dumping   []string // processes of age on hosts that would leave a core dump
}

func watchProcesses(s *secretSearch, mayHave func(pid string) bool) *processWatch {
	w := &processWatch{search: s, mayHave: mayHave, stopping: make(chan struct{}), done: make(chan struct{}), processes: map[string]bool{}}
	go func() {
		defer close(w.done)
		for {
			w.sample()
			select {
			case <-w.stopping:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return w
}

func (w *processWatch) stop() {
	close(w.stopping)
	<-w.done
}

func (w *processWatch) sample() {
	w.samples++
	dirs, _ := os.ReadDir("/proc")
	for _, d := range dirs {
		pid := d.Name()
		if pid[0] < '0' || pid[0] > '9' {
			continue
		}
		line, _ := os.ReadFile("/proc/" + pid + "/cmdline")
		environ, _ := os.ReadFile("/proc/" + pid + "/environ")
		key := pid + "\x00" + string(line) + "\x00" + string(environ)
		if len(line) == 0 || w.processes[key] {
			continue
		}
		w.processes[key] = true
		where := "process " + strings.ReplaceAll(string(line[:min(len(line), 80)]), "\x00", " ")
		w.search.plainIn(where, line)
		if !w.mayHave(pid) {
			w.search.plainIn(where+", its environment", environ)
		}
		if strings.HasPrefix(string(line), "age\x00") {
			limits, err := os.ReadFile("/proc/" + pid + "/limits")
			if err == nil && len(limits) > 0 && !strings.Contains(string(limits), "Max core file size        0  ") {
				w.dumping = append(w.dumping, where)
			}
		}
	}
}

// What is planted is found, in every form.
func TestSecretSearchFinds(t *testing.T) {
	const secret = "correct-horse-battery"
	pack := func(name string, args ...string) []byte {
		cmd := exec.Command(name, args...)
		cmd.Stdin = strings.NewReader("before " + secret + " after")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(name, err)
		}
		return out
	}
	b64 := func(s string) []byte { return []byte(base64.StdEncoding.EncodeToString([]byte(s))) }
	files := map[string][]byte{
		"plain":    []byte("x" + secret + "y"),
		"hex":      []byte(hex.EncodeToString([]byte("x" + secret))),
		"upper":    []byte(strings.ToUpper(hex.EncodeToString([]byte(secret)))),
		"base64-0": b64(secret), "base64-1": b64("x" + secret), "base64-2": b64("xy" + secret + "z"),
		"gzip": pack("gzip", "-c"), "xz": pack("xz", "-c"), "zstd": pack("zstd", "-c"),
		"none": []byte("correct-horse"),
	}
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := &secretSearch{}
	s.add("pass", []byte(secret+"\n"))
	if err := s.below("here", dir, time.Now().Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	for name := range files {
		hit := slices.ContainsFunc(s.found, func(f string) bool { return strings.HasPrefix(f, "here:/"+name) })
		if hit != (name != "none") {
			t.Errorf("%s: found %v", name, hit)
		}
	}
}
