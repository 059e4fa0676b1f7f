package exec

import (
	"time"

	"muster/schema"
)

// A savedWay is a further way to a host.
type savedWay struct {
	Address savedWord `json:"address"`
	Port    int       `json:"port,omitempty" want:"0..65535"`
	User    savedWord `json:"user,omitempty"`
}

// A savedSSH says how connections to a host are made.
type savedSSH struct {
	Alias           bool             `json:"alias,omitempty"`
	Port            int              `json:"port,omitempty" want:"0..65535"`
	User            savedWord        `json:"user,omitempty"`
	OwnUser         bool             `json:"own_user,omitempty"`
	AgentForwarding bool             `json:"agent_forwarding,omitempty"`
	AddressFamily   savedWord        `json:"address_family,omitempty"`
	OpenSSH         bool             `json:"openssh,omitempty"`
	KnownKeysOnly   bool             `json:"known_keys_only,omitempty"`
	AcceptNew       string           `json:"accept_new,omitempty"`
	KeepAlive       time.Duration    `json:"keep_alive_ns,omitempty"`
	Options         []savedSSHOption `json:"options,omitempty"`
}

type savedSSHOption struct {
	Name  savedWord `json:"name"`
	Value string    `json:"value"`
}

func saveWays(ways []schema.Way) (list []savedWay) {
	for _, w := range ways {
		list = append(list, savedWay{Address: savedWord(w.Address), Port: w.Port, User: savedWord(w.User)})
	}
	return list
}

func loadWays(list []savedWay) (ways []schema.Way) {
	for _, w := range list {
		ways = append(ways, schema.Way{Address: string(w.Address), Port: w.Port, User: string(w.User)})
	}
	return ways
}

func saveSSH(s *schema.SSH) *savedSSH {
	if s.IsZero() {
		return nil
	}
	saved := &savedSSH{
		Alias: s.Alias, Port: s.Port, User: savedWord(s.User), OwnUser: s.OwnUser, AgentForwarding: s.AgentForwarding,
		AddressFamily: savedWord(s.AddressFamily), OpenSSH: s.OpenSSH, KnownKeysOnly: s.KnownKeysOnly, AcceptNew: s.AcceptNew, KeepAlive: s.KeepAlive,
	}
	for _, o := range s.Options {
		saved.Options = append(saved.Options, savedSSHOption{Name: savedWord(o.Name), Value: o.Value})
	}
	return saved
}

func (s *savedSSH) load() schema.SSH {
	if s == nil {
		return schema.SSH{}
	}
	loaded := schema.SSH{
		Alias: s.Alias, Port: s.Port, User: string(s.User), OwnUser: s.OwnUser, AgentForwarding: s.AgentForwarding,
		AddressFamily: string(s.AddressFamily), OpenSSH: s.OpenSSH, KnownKeysOnly: s.KnownKeysOnly, AcceptNew: s.AcceptNew, KeepAlive: s.KeepAlive,
	}
	for _, o := range s.Options {
		loaded.Options = append(loaded.Options, schema.SSHOption{Name: string(o.Name), Value: o.Value})
	}
	return loaded
}
