package remote

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A file of a key gives a key, or an error that names the file; a pin gives one key or none.
func FuzzIdentity(f *testing.F) {
	const public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me@desk\n"
	f.Add(public, public)
	f.Add("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "cert-authority "+public)
	f.Add("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", "# x\n"+public)
	f.Fuzz(func(t *testing.T, key, beside string) {
		file := filepath.Join(t.TempDir(), "id")
		for name, text := range map[string]string{file: key, file + ".pub": beside} {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		id, err := readIdentity(file)
		if err == nil && (id.public == nil || id.signer != nil && !equal(id.signer.PublicKey(), id.public) || id.encrypted == (id.pem == nil)) {
			t.Errorf("%+v", id)
		}
		if err != nil && !strings.Contains(err.Error(), file) {
			t.Errorf("which file? %v", err)
		}
		if cert, err := readCertificate(file + ".pub"); err == nil && (cert.Key == nil || cert.SignatureKey == nil) {
			t.Errorf("%+v", cert)
		}
		h := &hostKeys{}
		if err := h.pin([]string{beside}); (err == nil) != (len(h.known) == 1) {
			t.Errorf("%d keys are pinned, %v", len(h.known), err)
		}
	})
}

// What a login shell and a command print on standard error is passed on without the line of the marker, and the same in one
// piece and in two.
func FuzzMarker(f *testing.F) {
	f.Add("Welcome\n", "MARK 123\n", "text MARK 5\n", uint16(10))
	f.Add("MAR", "MARK 00000000000000000000000000005\n", "", uint16(12))
	f.Fuzz(func(t *testing.T, before, line, after string, at uint16) {
		text := before + line + after
		filter := func(pieces ...string) (string, []int) {
			var (
				out  bytes.Buffer
				pids []int
			)
			f := &pidFilter{marker: []byte("MARK "), out: &out, begun: func(pid int) { pids = append(pids, pid) }}
			for _, p := range pieces {
				f.Write([]byte(p))
			}
			f.flush()
			return out.String(), pids
		}
		cut := min(int(at), len(text))
		once, pid := filter(text)
		twice, pidTwice := filter(text[:cut], text[cut:])
		if once != twice || !slices.Equal(pid, pidTwice) {
			t.Errorf("in one piece %q, %v; in two %q, %v", once, pid, twice, pidTwice)
		}
		if len(pid) > 1 || len(pid) == 0 && once != text || len(pid) == 1 && (pid[0] < 2 || len(once) >= len(text)) {
			t.Errorf("%q gives %q, %v", text, once, pid)
		}
	})
}
