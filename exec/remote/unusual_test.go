package remote

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/exec/nixcmd"
)

var unusualSize = flag.Int64("unusual-mb", 20, "how many megabytes are copied to each of the unusual servers")

// An unusualServer is one that does not behave as most do, and who reaches it: ssh, muster, and muster through ssh. What
// is refused says why.
type unusualServer struct {
	name   string
	lines  []string // of sshd_config
	shell  string   // of root; "" is /bin/sh
	client string   // of the configuration of ssh
	known  string   // known_hosts; "" is the server's key

	ssh, builtIn, openSSH bool
	says, saysOpenSSH     string
}

// In lines and client, YARD is the directory with keys, and TESTDATA that of this package.
var unusualServers = []unusualServer{
	{name: "sntrup761 alone", lines: []string{"KexAlgorithms sntrup761x25519-sha512@openssh.com"},
		ssh: true, says: "no common algorithm", openSSH: true},
	{name: "group exchange alone", lines: []string{"KexAlgorithms diffie-hellman-group-exchange-sha256"},
		ssh: true, says: "no common algorithm", openSSH: true},
	{name: "umac alone", lines: []string{"Ciphers aes128-ctr", "MACs umac-128-etm@openssh.com"},
		ssh: true, says: "no common algorithm", openSSH: true},
	{name: "host certificate", lines: []string{"HostKey YARD/host_good", "HostCertificate YARD/host_good-cert.pub"}, known: "@cert-authority * CA",
		ssh: true, builtIn: true, openSSH: true},
	{name: "revoked by a KRL", client: "RevokedHostKeys YARD/own.krl",
		says: "host key revoked", saysOpenSSH: "host key revoked"},
	{name: "second factor", lines: []string{"UsePAM yes", "PermitRootLogin yes", "KbdInteractiveAuthentication yes", "AuthenticationMethods publickey,keyboard-interactive:pam"},
		ssh: true, says: "it accepts a key, and wants keyboard-interactive too", openSSH: true},
	{name: "fish", shell: "/usr/bin/fish", ssh: true, builtIn: true, openSSH: true},
	{name: "noisy .bashrc", shell: "/bin/bash", ssh: true, builtIn: true, openSSH: true},
	{name: "ForceCommand that runs the command", lines: []string{`ForceCommand exec sh -c "$SSH_ORIGINAL_COMMAND"`}, ssh: true, builtIn: true, openSSH: true},
	{name: "ForceCommand of its own", lines: []string{"ForceCommand echo backups only"},
		says: `ended without beginning the command: "backups only"`, saysOpenSSH: `ended without beginning the command: "backups only"`},
	{name: "MaxSessions 1", lines: []string{"MaxSessions 1"}, ssh: true, builtIn: true, openSSH: true},
	{name: "MaxStartups 1", lines: []string{"MaxStartups 1"}, ssh: true, builtIn: true, openSSH: true},
	{name: "new keys every megabyte", lines: []string{"RekeyLimit 1M"}, client: "RekeyLimit 1M", ssh: true, builtIn: true, openSSH: true},
}

// Unusual servers are reached or refused as by ssh, with words that say why; and what is reached can be worked with:
// megabytes are copied, several commands run at a time, several connections are made at once.
func TestUnusualServers(t *testing.T) {
	if _, err := exec.LookPath("fish"); err != nil {
		t.Fatal("no fish on this machine: see README.md for the packages that tests need")
	}
	y := &yard{sshd: startSSHD(t)}
	for _, name := range []string{"ca", "host_good"} {
		y.keygen(t, "-t", "ed25519", "-N", "", "-f", name)
	}
	y.keygen(t, "-s", "ca", "-h", "-n", "127.0.0.1", "-I", "good", "host_good.pub")
	y.write(t, "code", "#!/bin/sh\necho 123456\n")
	if err := os.Chmod(y.path("code"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSH_ASKPASS", y.path("code"))
	t.Setenv("SSH_ASKPASS_REQUIRE", "force")
	testdata, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("YARD", y.dir, "TESTDATA", testdata, "CA", y.public(t, "ca")).Replace
	for _, tt := range unusualServers {
		t.Run(tt.name, func(t *testing.T) {
			s := startUnusual(t, &tt, testdata, fill)
			config := s.client(t, fill(tt.client))
			if tt.known != "" {
				s.write(t, "known_hosts", fill(tt.known)+"\n")
			}
			y.write(t, "own.pub", authorized(s.hostKey))
			y.keygen(t, "-k", "-f", "own.krl", "own.pub")

			ssh := func() ([]byte, error) {
				return exec.CommandContext(t.Context(), *sshProgram, "-F", config, "-oStrictHostKeyChecking=yes", "host", "echo in").Output()
			}
			output, err := ssh()
			// The connection that found the server ready may still take the one place that there is.
			for try := 0; try < 50 && err != nil && strings.Contains(fmt.Sprint(s.log), "past MaxStartups"); try++ {
				time.Sleep(100 * time.Millisecond)
				output, err = ssh()
			}
			if in := err == nil && bytes.HasSuffix(output, []byte("in\n")); in != tt.ssh {
				t.Errorf("ssh reaches it: %v, want %v: %s, %v\n%s", in, tt.ssh, output, err, s.log)
			}
			for _, client := range []struct {
				Client
				reached bool
				says    string
			}{{BuiltIn, tt.builtIn, tt.says}, {OpenSSH, tt.openSSH, tt.saysOpenSSH}} {
				d := NewDialer(Config{ConfigFile: config, ConnectTimeout: time.Minute, Master: func(ctx context.Context, args []string, _ bool) (string, error) {
					return nixcmd.OpenSSH(ctx, args)
				}})
				began := time.Now()
				err := workOn(t.Context(), d, Target{Name: "host", Client: client.Client})
				d.Close()
				switch {
				case client.reached && err != nil:
					t.Errorf("client %d: %v\n%s", client.Client, err, s.log)
				case client.reached:
					t.Logf("client %d: reached, %v", client.Client, time.Since(began).Round(time.Millisecond))
				case err == nil || !strings.Contains(err.Error(), client.says):
					t.Errorf("client %d: got %v, want %s", client.Client, err, client.says)
				default:
					t.Logf("client %d: %v", client.Client, err)
				}
			}
		})
	}
}

// startUnusual starts the server of a row.
func startUnusual(t *testing.T, tt *unusualServer, testdata string, fill func(string) string) *sshd {
	t.Helper()
	var lines []string
	for _, l := range tt.lines {
		lines = append(lines, fill(l))
	}
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, ".bashrc"), []byte("echo welcome; echo have a nice day >&2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	shell := tt.shell
	if shell == "" {
		shell = "/bin/sh"
	}
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	etc := map[string]string{
		"/etc/passwd":     fmt.Sprintf("root:x:0:0:root:%s:%s\n%s", home, shell, withoutRoot(string(passwd))),
		"/etc/pam.d/sshd": fmt.Sprintf("auth required pam_exec.so expose_authtok quiet %s/otp.sh\nauth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n", testdata),
	}
	return startSSHDWith(t, etc, !strings.Contains(strings.Join(tt.lines, " "), "HostCertificate"), lines...)
}

func withoutRoot(passwd string) string {
	var others strings.Builder
	for line := range strings.Lines(passwd) {
		if !strings.HasPrefix(line, "root:") {
			others.WriteString(line)
		}
	}
	return others.String()
}

// workOn does with a machine what a deployment does.
func workOn(ctx context.Context, d *Dialer, t Target) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	m, err := d.Dial(ctx, t)
	if err != nil {
		return err
	}
	defer m.Close()
	if out, err := m.Output(ctx, "echo", "in"); err != nil || string(out) != "in\n" {
		return errors.Join(err, fmt.Errorf("echo in: %q", out))
	}
	if err := copyTo(ctx, m, *unusualSize<<20); err != nil {
		return err
	}
	return errors.Join(sideBySide(ctx, m), connections(ctx, d, t))
}

// copyTo sends bytes, and has them counted.
func copyTo(ctx context.Context, m *Machine, n int64) error {
	var out bytes.Buffer
	err := m.Run(ctx, Command{Argv: []string{"wc", "-c"}, Stdin: io.LimitReader(zeros{}, n), Stdout: &out})
	if got := strings.TrimSpace(out.String()); err != nil || got != fmt.Sprint(n) {
		return errors.Join(err, fmt.Errorf("copied %s of %d bytes", got, n))
	}
	return nil
}

// sideBySide runs commands while a stream is open, as nix-store --serve is.
func sideBySide(ctx context.Context, m *Machine) error {
	s, err := m.Stream(ctx, Command{Argv: []string{"cat"}})
	if err != nil {
		return err
	}
	defer s.Close()
	errs := make([]error, 6)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			if out, err := m.Output(ctx, "echo", fmt.Sprint(i)); err != nil || string(out) != fmt.Sprintln(i) {
				errs[i] = errors.Join(err, fmt.Errorf("beside a stream: echo %d: %q", i, out))
			}
		})
	}
	all.Wait()
	if _, err := io.WriteString(s.Stdin, "still here\n"); err != nil {
		return err
	}
	answer := make([]byte, len("still here\n"))
	if _, err := io.ReadFull(s.Stdout, answer); err != nil || string(answer) != "still here\n" {
		return fmt.Errorf("the stream says %q, %w", answer, err)
	}
	return errors.Join(errs...)
}

// connections makes several connections at once.
func connections(ctx context.Context, d *Dialer, t Target) error {
	errs := make([]error, 6)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			m, err := d.Dial(ctx, t)
			if errs[i] = err; err == nil {
				errs[i] = m.Run(ctx, Command{Argv: []string{"true"}})
				m.Close()
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
