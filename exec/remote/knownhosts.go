package remote

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"muster/exec/foreign"
	"muster/exec/remote/sshconfig"
)

// This file reads and extends known_hosts files: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. x/crypto/ssh parses an entry,
// x/crypto/ssh/knownhosts writes and hashes names. Finding the entries of a host is done here, because knownhosts.New,
// and with it github.com/skeema/knownhosts, which wraps it,
//
//   - refuses a whole file for one line that it cannot parse, where ssh skips the line;
//   - refuses a key that is @revoked for one host at all hosts;
//   - compares a port literally and a name with case: "[10.0.0.*]:*" and "Web1" do not match;
//   - accepts the key of a @cert-authority as if it were a host's own key;
//   - does not look up the name without its port, as ssh does for a host on another port;
//   - answers only for a key that the server has presented, while the order of algorithms depends on the entries
//     (skeema/knownhosts asks about a made-up key to find out);
//   - has no place for the pins of the inventory beside the files.

// knownName is how known_hosts writes a host: with its port, unless that is 22.
func knownName(s *sshconfig.Settings) string {
	if s.HostKeyAlias != "" {
		return s.HostKeyAlias
	}
	return knownhosts.Normalize(net.JoinHostPort(s.HostName, strconv.Itoa(s.Port)))
}

// knownFiles are the known_hosts files of a run. Each is read once, and again when it has changed.
type knownFiles struct {
	mu     sync.Mutex // held while a file is read, so that no other dial reads it as well
	byName map[string]*knownFile
}

// A knownFile is a known_hosts file, with its lines by the hosts that they name.
type knownFile struct {
	name   string
	info   fs.FileInfo            // of the file when it was read
	named  map[string][]knownLine // by each name in lower case, of lines that have plain names only
	others []knownLine            // that have a pattern or a hash
}

type knownLine struct {
	number int
	names  string // as in the file
	text   []byte
}

// read returns a file. Each call checks who can have written it.
func (k *knownFiles) read(name string) (*knownFile, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f, err := foreign.Open(name, foreign.Settings(maxKnownHosts))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if last := k.byName[name]; last != nil && sameVersion(last.info, info) {
		return last, nil
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	known := parseKnown(name, data)
	known.info = info
	if k.byName == nil {
		k.byName = map[string]*knownFile{}
	}
	k.byName[name] = known
	return known, nil
}

func sameVersion(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// parseKnown finds the names in a known_hosts file. The keys are parsed later, for the hosts that are connected to.
func parseKnown(name string, data []byte) *knownFile {
	known := &knownFile{name: name, named: map[string][]knownLine{}}
	n := 0
	for text := range bytes.Lines(data) {
		n++
		line := knownLine{number: n, names: knownNames(text), text: text}
		switch {
		case line.names == "":
		case line.names[0] == '|' || strings.ContainsAny(line.names, "*?!"):
			known.others = append(known.others, line)
		default:
			for name := range strings.SplitSeq(strings.ToLower(line.names), ",") {
				known.named[name] = append(known.named[name], line)
			}
		}
	}
	return known
}

// lines returns the lines that name a host, in order.
func (k *knownFile) lines(name string) []knownLine {
	lines := slices.Clone(k.named[strings.ToLower(name)])
	for _, line := range k.others {
		if matchKnown(name, line.names) {
			lines = append(lines, line)
		}
	}
	slices.SortFunc(lines, func(a, b knownLine) int { return a.number - b.number })
	return slices.CompactFunc(lines, func(a, b knownLine) bool { return a.number == b.number })
}

// take takes the entries of this host from a known_hosts file. It skips lines that it cannot parse, as ssh does: they
// confirm no key.
func (h *hostKeys) take(known *knownFile, s *sshconfig.Settings) {
	exact := known.lines(h.name)
	for _, line := range exact {
		h.add(known.name, line, &h.known)
	}
	if h.name == s.HostName || s.HostKeyAlias != "" {
		return
	}
	for _, line := range known.lines(s.HostName) {
		if !slices.ContainsFunc(exact, func(l knownLine) bool { return l.number == line.number }) {
			h.add(known.name, line, &h.portless)
		}
	}
}

// add adds the key of a line to a list, or to the revoked keys.
func (h *hostKeys) add(file string, line knownLine, list *[]knownKey) {
	marker, _, key, _, _, err := ssh.ParseKnownHosts(line.text)
	if err != nil {
		return
	}
	entry := knownKey{key: key, authority: marker == "cert-authority", file: file, line: line.number}
	switch marker {
	case "revoked":
		h.revoked = append(h.revoked, entry)
	case "", "cert-authority":
		*list = append(*list, entry)
	}
}

// knownNames is the field of a line that holds the names of hosts; "" if there is none.
func knownNames(line []byte) string {
	fields := bytes.Fields(line)
	if len(fields) > 0 && fields[0][0] == '@' {
		fields = fields[1:]
	}
	if len(fields) == 0 || fields[0][0] == '#' {
		return ""
	}
	return string(fields[0])
}

// matchKnown matches a name with such a field, which is a list of patterns or a hash.
func matchKnown(name, names string) bool {
	rest, hashed := strings.CutPrefix(names, "|1|")
	if !hashed {
		return sshconfig.MatchList(name, strings.Split(names, ","))
	}
	// knownhosts matches hashes as well, but only inside of New.
	encodedSalt, encodedHash, _ := strings.Cut(rest, "|")
	salt, err1 := base64.StdEncoding.DecodeString(encodedSalt)
	hash, err2 := base64.StdEncoding.DecodeString(encodedHash)
	return err1 == nil && err2 == nil && len(salt) > 0 && hmac.Equal(hash, hashName(name, salt))
}

func hashName(name string, salt []byte) []byte {
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(name))
	return mac.Sum(nil)
}

// accept adds the key of a new host to known_hosts. Another dial or another program may have added one in the meantime:
// under a lock, accept looks once more.
func (h *hostKeys) accept(key ssh.PublicKey) error {
	if h.addTo == "" || h.addTo == os.DevNull {
		return h.refuse(ErrHostKeyUnknown, key, nil, "StrictHostKeyChecking accept-new has no known_hosts file to add it to")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := os.MkdirAll(filepath.Dir(h.addTo), 0o700); err != nil {
		return fmt.Errorf("add to known hosts: %w", err)
	}
	f, err := foreign.OpenAppend(h.addTo, foreign.Settings(maxKnownHosts))
	if err != nil {
		return fmt.Errorf("add to known hosts: %w", err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", h.addTo, err)
	}
	data, err := foreign.ReadFile(h.addTo, foreign.Settings(maxKnownHosts))
	if err != nil {
		return fmt.Errorf("add to known hosts: %w", err)
	}
	now := &hostKeys{name: h.name, files: h.files, strict: "yes"}
	now.take(parseKnown(h.addTo, data), &sshconfig.Settings{HostName: h.name})
	if err := now.check(key); err == nil || !errors.Is(err, ErrHostKeyUnknown) {
		return err
	}
	if _, err := f.WriteString(h.entry(data, key)); err != nil {
		return fmt.Errorf("add to known hosts: %w", err)
	}
	return nil
}

// entry is the line to add to a file for this host.
func (h *hostKeys) entry(file []byte, key ssh.PublicKey) string {
	name := h.name
	if h.hashed {
		name = knownhosts.HashHostname(name)
	}
	// Not knownhosts.Line, which would take an alias such as "web:2222" for a host and its port.
	line := name + " " + string(ssh.MarshalAuthorizedKey(key))
	if len(file) > 0 && file[len(file)-1] != '\n' {
		line = "\n" + line
	}
	return line
}
