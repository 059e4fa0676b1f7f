package remote

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// A server tells all its host keys once a user is logged in. UpdateHostKeys keeps known_hosts up to date with them, so
// that a host can change its keys: OpenSSH's PROTOCOL, section 2.5.
//
//	server   hostkeys-00@openssh.com         its keys
//	muster   hostkeys-prove-00@openssh.com   those that known_hosts lacks
//	server   a signature by each of them
//	muster   writes those, and removes the host's others
const (
	hostKeysRequest = "hostkeys-00@openssh.com"
	proveRequest    = "hostkeys-prove-00@openssh.com"
	maxHostKeys     = 64
	proveLimit      = 10 * time.Second
)

// learnFrom takes the host keys out of what a server requests, where UpdateHostKeys is set.
func (h *hostKeys) learnFrom(conn ssh.Conn, requests <-chan *ssh.Request) <-chan *ssh.Request {
	if !h.update {
		return requests
	}
	others := make(chan *ssh.Request)
	go func() {
		defer close(others)
		told := false
		for r := range requests {
			if r.Type == hostKeysRequest && !r.WantReply {
				if !told {
					told = true
					go h.learn(conn, r.Payload)
				}
				continue
			}
			others <- r
		}
	}()
	return others
}

// learn brings known_hosts up to date. What goes wrong leaves it as it was: the keys that are known still are.
func (h *hostKeys) learn(conn ssh.Conn, payload []byte) {
	offered := h.offered(payload)
	known := ownKeys(h.known)
	inFile := func(k knownKey) bool { return slices.Contains(h.userFiles, k.file) }
	if len(offered) == 0 || !slices.ContainsFunc(known, inFile) {
		return
	}
	var fresh []ssh.PublicKey
	for _, key := range offered {
		if !slices.ContainsFunc(known, func(k knownKey) bool { return equal(k.key, key) }) {
			fresh = append(fresh, key)
		}
	}
	isGone := func(k knownKey) bool {
		return inFile(k) && !slices.ContainsFunc(offered, func(key ssh.PublicKey) bool { return equal(k.key, key) })
	}
	if len(fresh) == 0 && !slices.ContainsFunc(known, isGone) || !prove(conn, fresh) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, file := range h.userFiles {
		keys := offered
		if i > 0 { // they are all in the first
			keys = nil
		}
		if editKnown(file, func(data []byte) ([]byte, error) { return h.updated(file, data, keys) }) != nil {
			return
		}
	}
}

// offered are the keys that a server has; none where one of them is revoked.
func (h *hostKeys) offered(payload []byte) (keys []ssh.PublicKey) {
	for len(payload) > 0 && len(keys) < maxHostKeys {
		var one struct {
			Blob []byte
			Rest []byte `ssh:"rest"`
		}
		if ssh.Unmarshal(payload, &one) != nil {
			return nil
		}
		payload = one.Rest
		key, err := ssh.ParsePublicKey(one.Blob)
		if err != nil || isCertificate(key.Type()) {
			continue
		}
		if h.isRevoked(key) {
			return nil
		}
		keys = append(keys, key)
	}
	return keys
}

func (h *hostKeys) isRevoked(key ssh.PublicKey) bool {
	if h.revokedFile != nil {
		if _, found := h.revokedFile.find(key); found {
			return true
		}
	}
	return slices.ContainsFunc(h.revoked, func(k knownKey) bool { return equal(k.key, key) })
}

// prove has the server sign by its keys.
func prove(conn ssh.Conn, keys []ssh.PublicKey) bool {
	if len(keys) == 0 {
		return true
	}
	var blobs []byte
	for _, key := range keys {
		blobs = append(blobs, ssh.Marshal(struct{ Blob []byte }{key.Marshal()})...)
	}
	type answer struct {
		ok      bool
		payload []byte
	}
	answered := make(chan answer, 1)
	go func() {
		ok, payload, err := conn.SendRequest(proveRequest, true, blobs)
		answered <- answer{ok && err == nil, payload}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), proveLimit)
	defer cancel()
	select {
	case a := <-answered:
		return a.ok && signedByAll(conn.SessionID(), keys, a.payload)
	case <-ctx.Done():
		return false
	}
}

// signedByAll reports whether a payload is a signature of a session by each key.
func signedByAll(session []byte, keys []ssh.PublicKey, payload []byte) bool {
	for _, key := range keys {
		var one struct {
			Signature []byte
			Rest      []byte `ssh:"rest"`
		}
		var signature ssh.Signature
		if ssh.Unmarshal(payload, &one) != nil || ssh.Unmarshal(one.Signature, &signature) != nil {
			return false
		}
		payload = one.Rest
		signed := ssh.Marshal(struct {
			Request       string
			Session, Blob []byte
		}{proveRequest, session, key.Marshal()})
		if signature.Format == ssh.KeyAlgoRSA || key.Verify(signed, &signature) != nil {
			return false
		}
	}
	return len(payload) == 0
}

// errShared says that a line is for other hosts too. As in ssh, nothing is changed then.
var errShared = errors.New("a line names several hosts")

// updated is a known_hosts file in which the host has these keys.
func (h *hostKeys) updated(name string, file []byte, keys []ssh.PublicKey) ([]byte, error) {
	drop := map[int]bool{}
	for _, line := range parseKnown(name, file).lines(h.name) {
		marker, _, key, _, _, err := ssh.ParseKnownHosts(line.text)
		switch {
		case err != nil || marker != "":
		case strings.ContainsAny(line.names, ",*?!"):
			return nil, errShared
		case slices.ContainsFunc(keys, func(k ssh.PublicKey) bool { return equal(k, key) }):
			keys = slices.DeleteFunc(slices.Clone(keys), func(k ssh.PublicKey) bool { return equal(k, key) })
		default:
			drop[line.number] = true
		}
	}
	var out []byte
	n := 0
	for line := range bytes.Lines(file) {
		if n++; !drop[n] {
			out = append(out, line...)
		}
	}
	for _, key := range keys {
		out = append(out, h.entry(out, key)...)
	}
	return out, nil
}
