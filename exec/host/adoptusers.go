package host

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"muster/exec/human"
)

// hostKey reads a public key.
func (r *hardwareReader) hostKey(f []string) {
	if len(f) < 2 || !keyForm().MatchString(f[0]+" "+f[1]) || !isKey(f[0], f[1]) {
		r.unclear("SSH host key")
		return
	}
	if key := f[0] + " " + f[1]; !slices.Contains(r.HostKeys, key) {
		r.HostKeys = append(r.HostKeys, key)
	}
}

// isKey reports whether a text in base64 is a public key of a type.
func isKey(kind, text string) bool {
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) < 4 {
		return false
	}
	n := binary.BigEndian.Uint32(key)
	return uint64(n) < uint64(len(key)-4) && string(key[4:4+n]) == kind
}

// user reads a user's name, IDs, home and shell.
func (r *hardwareReader) user(f []string) {
	if len(f) < 4 || !userForm().MatchString(f[0]) {
		r.unclear("user")
		return
	}
	id, err := strconv.ParseUint(f[1], 10, 32)
	if err != nil || !strings.HasPrefix(f[3], "/") {
		r.unclear("user %s", f[0])
		return
	}
	u := User{Name: f[0], ID: int(id), Home: human.Clip(f[3], maxWord)}
	if len(f) > 4 {
		u.Shell = human.Clip(f[4], maxWord)
	}
	r.Users = append(r.Users, u)
}

// key reads the user, the file and a line of authorized keys.
func (r *hardwareReader) key(text string) {
	f := strings.SplitN(text, " ", 3)
	if len(f) < 3 || strings.HasPrefix(f[2], "#") || strings.TrimSpace(f[2]) == "" {
		return
	}
	i := slices.IndexFunc(r.Users, func(u User) bool { return u.Name == f[0] })
	m := anyKeyForm().FindStringSubmatch(f[2])
	if i < 0 || m == nil || !isKey(m[1], m[2]) {
		r.unclear("authorized key")
		return
	}
	u := &r.Users[i]
	if !slices.ContainsFunc(u.Keys, func(k AuthorizedKey) bool { return k.Text == f[2] }) {
		u.Keys = append(u.Keys, AuthorizedKey{Text: f[2], From: human.Clip(f[1], maxWord)})
	}
}
