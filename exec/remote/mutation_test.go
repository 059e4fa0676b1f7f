package remote

import (
	"errors"
	"flag"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/exec/nixcmd"
	"muster/exec/remote/sshconfig"
)

var (
	mutations    = flag.Int("mutations", 300, "changed files of each kind of settings")
	mutationSeed = flag.Uint64("mutation-seed", 1, "seed of the changes")
)

const (
	nixConf = `# settings
experimental-features = nix-command flakes
extra-experimental-features = pipe-operators
max-call-depth = 10000
lint-url-literals = warn
nix-path = nixpkgs=/a:/b
substituters = https://cache.nixos.org
include more.conf
!include missing.conf
pure-eval = false
`
	sshConfig = `Host web* !web2 db
  HostName %h.example.org
  Port 2222
  User "deploy"
  IdentityFile ~/.ssh/id_%r
  ConnectTimeout 5
  UserKnownHostsFile ~/.ssh/known_hosts
Match host db user root
  ProxyJump a@jump:22,[::1]:23
Include more.conf conf.d/*
Match final all
  ServerAliveInterval 10
  SetEnv A=${HOME}
Host *
  HashKnownHosts yes
  HostKeyAlgorithms +ssh-rsa
`
	knownHostsText = `web1,10.0.0.1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDhzmZVJJZ4XW5HSQ5vYVUWQpsJo1oUM2Qr8qZ4ctO1n
@cert-authority *.example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDhzmZVJJZ4XW5HSQ5vYVUWQpsJo1oUM2Qr8qZ4ctO1n
@revoked * ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDhzmZVJJZ4XW5HSQ5vYVUWQpsJo1oUM2Qr8qZ4ctO1n
|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDhzmZVJJZ4XW5HSQ5vYVUWQpsJo1oUM2Qr8qZ4ctO1n
# comment
`
)

// Changed files of settings are refused with their name, or harmless: nothing panics, waits or fills the memory.
func TestMutationsOfSettings(t *testing.T) {
	home := t.TempDir()
	query := sshconfig.Query{Host: "web1", DefaultUser: "root"}
	dialer := NewDialer(Config{})
	dialer.env = localEnv()
	dialer.env.Home = home
	for _, tt := range []struct {
		kind, text string
		read       func(file string) error
	}{
		{"nix.conf", nixConf, func(file string) error {
			_, err := nixcmd.SettingsSource{
				LookupEnv: func(name string) (string, bool) { return filepath.Dir(file), name == "NIX_CONF_DIR" },
				ReadFile:  nixcmd.ReadSettings, Stat: os.Stat,
			}.Read(nil)
			return err
		}},
		{"config", sshConfig, func(file string) error {
			dialer.config.ConfigFile = file
			values, err := dialer.Resolve(t.Context(), query)
			if err == nil {
				_, err = values.Settings()
			}
			return err
		}},
		{"known_hosts", knownHostsText, func(file string) error {
			_, err := dialer.knownHostKeys(nil, &sshconfig.Settings{HostName: "web1", Port: 22, UserKnownHosts: []string{file}})
			return err
		}},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			most, slowest := uint64(0), time.Duration(0)
			for i := range *mutations {
				random := rand.New(rand.NewPCG(*mutationSeed, uint64(i)))
				dir := filepath.Join(home, ".ssh")
				file := filepath.Join(dir, tt.kind)
				if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "more.conf"), []byte(mutate(random, tt.text)), 0o600)); err != nil {
					t.Fatal(err)
				}
				change := place(t, random, file, mutate(random, tt.text))
				ended := make(chan error, 1)
				began := time.Now()
				go func() { ended <- tt.read(file) }()
				select {
				case err := <-ended:
					if err != nil && !strings.Contains(err.Error(), dir) && !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("seed %d, change %d (%s): the error does not name the file: %v", *mutationSeed, i, change, err)
					}
				case <-time.After(time.Minute):
					t.Fatalf("seed %d, change %d (%s): it does not end", *mutationSeed, i, change)
				}
				slowest = max(slowest, time.Since(began))
				var m runtime.MemStats
				if i%50 == 0 {
					runtime.ReadMemStats(&m)
					most = max(most, m.Sys)
				}
			}
			t.Logf("%d files, the slowest took %v, memory at most %d MB", *mutations, slowest, most>>20)
			if most > 300<<20 {
				t.Errorf("memory: %d MB", most>>20)
			}
		})
	}
}

// mutate changes a text.
func mutate(random *rand.Rand, text string) string {
	b := []byte(text)
	for range 1 + random.IntN(4) {
		at, end := random.IntN(len(b)+1), random.IntN(len(b)+1)
		at, end = min(at, end), max(at, end)
		switch random.IntN(8) {
		case 0: // a bit
			if at < len(b) {
				b[at] ^= 1 << random.IntN(8)
			}
		case 1: // a cut
			b = append(b[:at:at], b[end:]...)
		case 2: // the same again
			b = append(b[:end:end], b[at:]...)
		case 3: // lines in another order
			lines := strings.SplitAfter(string(b), "\n")
			random.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
			b = []byte(strings.Join(lines, ""))
		case 4: // odd bytes
			odd := []string{"\x00", "\xff", "\r", "\u202e", "\"", "'", "\\", "%", "${", "$", "=", "*", "!", "|1|", "@", "-1", "99999999999999999999", "~"}
			b = append(b[:at:at], odd[random.IntN(len(odd))]+string(b[at:])...)
		case 5: // a long line
			b = append(b[:at:at], strings.Repeat("x*", 1<<random.IntN(18))+string(b[at:])...)
		case 6: // includes
			names := []string{"nix.conf", "config", "more.conf", "./more.conf", "*", "/dev/zero", "/proc/self/mem", ".", "../.ssh/config", "../.ssh/nix.conf"}
			b = append(b[:at:at], "\ninclude "+names[random.IntN(len(names))]+"\n"+string(b[at:])...)
		case 7: // many lines
			b = append(b, strings.Repeat("\nHost a*a*a*a*b\n", random.IntN(1000))...)
		}
	}
	return string(b)
}

// place writes a text to a file, or something else in its place.
func place(t *testing.T, random *rand.Rand, file, text string) string {
	t.Helper()
	what := "text"
	err := os.WriteFile(file, []byte(text), 0o600)
	remove := func() { err = errors.Join(err, os.Remove(file)) }
	switch random.IntN(40) {
	case 0:
		what = "a fifo"
		remove()
		err = errors.Join(err, syscall.Mkfifo(file, 0o600))
	case 1:
		what = "a device"
		remove()
		err = errors.Join(err, os.Symlink("/dev/zero", file))
	case 2:
		what = "a directory"
		remove()
		err = errors.Join(err, os.Mkdir(file, 0o700))
	case 3:
		what = "a link to itself"
		remove()
		err = errors.Join(err, os.Symlink(file, file))
	case 4:
		what = "4 GB"
		err = errors.Join(err, os.Truncate(file, 4<<30))
	case 5:
		what = "for all to write"
		err = errors.Join(err, os.Chmod(file, 0o666))
	case 6:
		what = "another user's"
		if os.Getuid() == 0 {
			err = errors.Join(err, os.Chown(file, 12345, -1))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return what
}
