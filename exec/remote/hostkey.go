package remote

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"

	"muster/exec/remote/sshconfig"
)

// hostKeys is what is known of one host's keys before it shows one.
type hostKeys struct {
	name      string // as known_hosts has it
	principal string // as a host certificate has it
	known     []knownLine
	portless  []knownLine // lines for the bare name of a host at another port: they may vouch, not accuse
	revoked   []knownLine
	files     []string
	pinned    bool // the inventory decides

	strict string // "accept-new" may write to
	addTo  string // this file,
	hashed bool   // with the name hashed
	mu     *sync.Mutex
}

// A knownLine is one line of a known_hosts file.
type knownLine struct {
	key       ssh.PublicKey
	authority bool // @cert-authority
	file      string
	line      int
}

func (k knownLine) public() KnownKey {
	return KnownKey{Fingerprint: fingerprint(k.key), File: k.file, Line: k.line}
}

func fingerprint(key ssh.PublicKey) Fingerprint {
	return Fingerprint{Type: key.Type(), SHA256: ssh.FingerprintSHA256(key)}
}

// knownHostKeys collects what the inventory or else the known_hosts files say about a host.
func (d *Dialer) knownHostKeys(pinned []string, s *sshconfig.Settings) (*hostKeys, error) {
	h := &hostKeys{name: knownName(s), principal: s.HostName, strict: s.StrictHostKeys, hashed: s.HashKnownHosts, mu: &d.knownHosts}
	if s.HostKeyAlias != "" {
		h.principal = s.HostKeyAlias
	}
	if len(pinned) > 0 {
		h.pinned, h.strict = true, "yes"
		h.files = []string{"the inventory"}
		for i, text := range pinned {
			key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(text))
			if err != nil || len(bytes.TrimSpace(rest)) > 0 {
				return nil, fmt.Errorf("read host key %d of the inventory: want one public key such as %q", i+1, "ssh-ed25519 AAAA...")
			}
			h.known = append(h.known, knownLine{key: key, authority: slices.Contains(options, "cert-authority"),
				file: "inventory", line: i + 1})
		}
		return h, nil
	}
	for _, file := range slices.Concat(s.UserKnownHosts, s.GlobalKnownHosts) {
		data, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read known hosts: %w", err)
		}
		h.read(file, data, s)
	}
	h.files = slices.Concat(s.UserKnownHosts, s.GlobalKnownHosts)
	if len(s.UserKnownHosts) > 0 {
		h.addTo = s.UserKnownHosts[0]
	}
	return h, nil
}

// knownName is how known_hosts writes a host: with its port, unless that is 22.
func knownName(s *sshconfig.Settings) string {
	if s.HostKeyAlias != "" {
		return s.HostKeyAlias
	}
	if s.Port != 22 {
		return "[" + s.HostName + "]:" + strconv.Itoa(s.Port)
	}
	return s.HostName
}

// read takes from a known_hosts file, sshd(8) SSH_KNOWN_HOSTS FILE FORMAT, the lines about this host. A line that makes
// no sense is passed over, as ssh does: it vouches for nothing.
func (h *hostKeys) read(file string, data []byte, s *sshconfig.Settings) {
	n := 0
	for text := range bytes.Lines(data) {
		n++
		marker, names, rest := splitKnownLine(text)
		if names == "" {
			continue
		}
		exact := matchHost(h.name, names)
		portless := !exact && h.name != s.HostName && s.HostKeyAlias == "" && matchHost(s.HostName, names)
		if !exact && !portless {
			continue
		}
		key, err := parseKnownKey(rest)
		if err != nil {
			continue
		}
		line := knownLine{key: key, authority: marker == "@cert-authority", file: file, line: n}
		switch {
		case marker == "@revoked":
			h.revoked = append(h.revoked, line)
		case marker != "" && marker != "@cert-authority":
		case exact:
			h.known = append(h.known, line)
		default:
			h.portless = append(h.portless, line)
		}
	}
}

func splitKnownLine(text []byte) (marker, names string, rest []string) {
	fields := strings.Fields(string(text))
	if len(fields) > 0 && strings.HasPrefix(fields[0], "@") {
		marker, fields = fields[0], fields[1:]
	}
	if len(fields) < 3 || strings.HasPrefix(fields[0], "#") {
		return "", "", nil
	}
	return marker, fields[0], fields[1:]
}

func parseKnownKey(fields []string) (ssh.PublicKey, error) {
	blob, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return nil, err
	}
	key, err := ssh.ParsePublicKey(blob)
	if err != nil {
		return nil, err
	}
	if key.Type() != fields[0] {
		return nil, fmt.Errorf("key of type %s is called %s", key.Type(), fields[0])
	}
	return key, nil
}

// matchHost matches the first field of a known_hosts line: a hash, or patterns.
func matchHost(name, names string) bool {
	if rest, ok := strings.CutPrefix(names, "|1|"); ok {
		salt64, hash64, _ := strings.Cut(rest, "|")
		salt, err1 := base64.StdEncoding.DecodeString(salt64)
		want, err2 := base64.StdEncoding.DecodeString(hash64)
		return err1 == nil && err2 == nil && len(salt) > 0 && hmac.Equal(want, hashHost(name, salt))
	}
	return sshconfig.MatchList(name, strings.Split(names, ","))
}

func hashHost(name string, salt []byte) []byte {
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(name))
	return mac.Sum(nil)
}

// algorithms orders what the server may sign with: first what the known keys need, so that a server with several keys
// shows one that is known. The others follow, so that a server that changed its key is told from one that is silent.
// configured is the HostKeyAlgorithms of ssh_config(5).
func (h *hostKeys) algorithms(configured string) ([]string, error) {
	all := ssh.SupportedAlgorithms().HostKeys
	slices.SortStableFunc(all, func(a, b string) int { return preference(a) - preference(b) })
	allowed, err := sshconfig.ChooseAlgorithms(all, append(slices.Clone(all), ssh.InsecureAlgorithms().HostKeys...), configured)
	if err != nil {
		return nil, fmt.Errorf("HostKeyAlgorithms %w", err)
	}
	var first []string
	for _, k := range slices.Concat(h.known, h.portless) {
		if k.authority {
			for _, a := range allowed {
				if strings.Contains(a, "-cert-v01@") {
					first = append(first, a)
				}
			}
		}
	}
	for _, k := range slices.Concat(h.known, h.portless) {
		if !k.authority {
			first = append(first, signatureAlgorithms(k.key.Type())...)
		}
	}
	var out []string
	for _, a := range append(first, allowed...) {
		if slices.Contains(allowed, a) && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out, nil
}

// preference puts first what a new host should be known by.
func preference(algorithm string) int {
	switch {
	case strings.Contains(algorithm, "-cert-"):
		return 2
	case algorithm == ssh.KeyAlgoED25519:
		return 0
	}
	return 1
}

func signatureAlgorithms(keyType string) []string {
	if keyType == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSA}
	}
	return []string{keyType}
}

// check is the ssh.HostKeyCallback.
func (h *hostKeys) check(_ string, _ net.Addr, key ssh.PublicKey) error {
	plain := key
	cert, isCert := key.(*ssh.Certificate)
	if isCert {
		plain = cert.Key
	}
	for _, r := range h.revoked {
		if equal(r.key, plain) || isCert && equal(r.key, cert.SignatureKey) {
			return h.refuse(ErrHostKeyRevoked, plain, []knownLine{r}, "")
		}
	}
	why := ""
	if isCert {
		var err error
		if err = h.checkCert(cert); err == nil {
			return nil
		}
		why = err.Error()
	}
	for _, k := range slices.Concat(h.known, h.portless) {
		if !k.authority && equal(k.key, plain) {
			return nil
		}
	}
	if len(h.known) > 0 {
		return h.refuse(ErrHostKeyChanged, plain, h.known, why)
	}
	switch h.strict {
	case "accept-new":
		return h.accept(plain)
	case "no":
		why = cmp.Or(why, "StrictHostKeyChecking no is not honoured here")
	}
	return h.refuse(ErrHostKeyUnknown, plain, nil, why)
}

func (h *hostKeys) refuse(kind error, key ssh.PublicKey, known []knownLine, why string) error {
	e := &HostKeyError{Kind: kind, Addr: h.name, Offered: fingerprint(key), Files: h.files, Why: why}
	for _, k := range known {
		e.Known = append(e.Known, k.public())
	}
	return e
}

func (h *hostKeys) checkCert(cert *ssh.Certificate) error {
	checker := &ssh.CertChecker{
		IsHostAuthority: func(auth ssh.PublicKey, _ string) bool {
			return slices.ContainsFunc(slices.Concat(h.known, h.portless), func(k knownLine) bool {
				return k.authority && equal(k.key, auth)
			})
		},
		IsRevoked: func(c *ssh.Certificate) bool { return false }, // check has looked
	}
	if err := checker.CheckHostKey(net.JoinHostPort(h.principal, "22"), nil, cert); err != nil {
		return errors.New("its certificate does not help: " + strings.TrimPrefix(err.Error(), "ssh: "))
	}
	return nil
}

func equal(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

// accept writes a new host's key down. Another dial, or another program, may have done so in the meantime: under the
// lock it is looked up once more.
func (h *hostKeys) accept(key ssh.PublicKey) error {
	if h.addTo == "" || h.addTo == os.DevNull {
		return h.refuse(ErrHostKeyUnknown, key, nil, "StrictHostKeyChecking accept-new has no file to write it to")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := os.MkdirAll(filepath.Dir(h.addTo), 0o700); err != nil {
		return fmt.Errorf("add to known hosts: %w", err)
	}
	f, err := os.OpenFile(h.addTo, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("add to known hosts: %w", err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", h.addTo, err)
	}
	data, err := os.ReadFile(h.addTo)
	if err != nil {
		return fmt.Errorf("add to known hosts: %w", err)
	}
	now := &hostKeys{name: h.name, files: h.files, strict: "yes"}
	now.read(h.addTo, data, &sshconfig.Settings{HostName: h.name})
	if err := now.check("", nil, key); err == nil || !errors.Is(err, ErrHostKeyUnknown) {
		return err
	}
	name := h.name
	if h.hashed {
		salt := make([]byte, sha1.Size)
		rand.Read(salt)
		name = "|1|" + base64.StdEncoding.EncodeToString(salt) + "|" + base64.StdEncoding.EncodeToString(hashHost(name, salt))
	}
	line := name + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) + "\n"
	if len(data) > 0 && data[len(data)-1] != '\n' {
		line = "\n" + line
	}
	if _, err := f.WriteString(line); err != nil {
		return fmt.Errorf("add to known hosts: %w", err)
	}
	return nil
}
