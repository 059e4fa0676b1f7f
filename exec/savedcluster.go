package exec

import (
	"errors"
	"time"

	"muster/schema"
)

// A savedCluster says how hosts are taken out of their cluster, and through which hosts the
// cluster is asked.
type savedCluster struct {
	Distribution savedWord     `json:"distribution"`
	Masters      []savedHost   `json:"masters,omitempty"`
	PKI          string        `json:"pki,omitempty"`
	Version      savedWord     `json:"version,omitempty"`
	Members      []savedMember `json:"members,omitempty"`

	MaxUnavailable  int           `json:"max_unavailable,omitempty" want:"0..1000000"`
	PerZone         int           `json:"per_zone,omitempty" want:"0..1000000"`
	Timeout         time.Duration `json:"timeout_ns,omitempty"`
	DrainOff        string        `json:"drain_off,omitempty"`
	DeleteLocalData bool          `json:"delete_local_data,omitempty"`
	DeleteUnmanaged bool          `json:"delete_unmanaged,omitempty"`
	GracePeriod     time.Duration `json:"grace_period_ns,omitempty"`
	DrainTimeout    time.Duration `json:"drain_timeout_ns,omitempty"`
}

// A savedMember is what a host is in the cluster.
type savedMember struct {
	Host      savedWord   `json:"host"`
	Addresses []savedWord `json:"addresses,omitempty"`
	Master    bool        `json:"master,omitempty"`
	Etcd      bool        `json:"etcd,omitempty"`
	Zone      savedWord   `json:"zone,omitempty"`
	Version   savedWord   `json:"version,omitempty"`
}

func saveCluster(c *ClusterPlan) *savedCluster {
	if c == nil {
		return nil
	}
	r := &c.Rollout
	s := &savedCluster{
		Distribution: savedWord(c.Distribution), PKI: c.PKI, Version: savedWord(c.Version),
		MaxUnavailable: r.MaxUnavailable, PerZone: r.PerZone, Timeout: r.Timeout,
		DrainOff: r.Drain.Off, DeleteLocalData: r.Drain.DeleteLocalData, DeleteUnmanaged: r.Drain.DeleteUnmanaged,
		GracePeriod: r.Drain.GracePeriod, DrainTimeout: r.Drain.Timeout,
	}
	for _, h := range c.Masters {
		s.Masters = append(s.Masters, saveHost(h))
	}
	for _, m := range c.Members {
		saved := savedMember{Host: savedWord(m.Host), Master: m.Master, Etcd: m.Etcd, Zone: savedWord(m.Zone), Version: savedWord(m.Version)}
		for _, a := range m.Addresses {
			saved.Addresses = append(saved.Addresses, savedWord(a))
		}
		s.Members = append(s.Members, saved)
	}
	return s
}

func (s *savedCluster) load() (*ClusterPlan, error) {
	if s == nil {
		return nil, nil
	}
	c := &ClusterPlan{
		Distribution: schema.Distribution(s.Distribution), PKI: s.PKI, Version: string(s.Version),
		Rollout: schema.KlusterRollout{
			MaxUnavailable: s.MaxUnavailable, PerZone: s.PerZone, Timeout: s.Timeout,
			Drain: schema.Drain{
				Off: s.DrainOff, DeleteLocalData: s.DeleteLocalData, DeleteUnmanaged: s.DeleteUnmanaged,
				GracePeriod: s.GracePeriod, Timeout: s.DrainTimeout,
			},
		},
	}
	for i := range s.Masters {
		h := s.Masters[i].load()
		if h.Name == "" {
			return nil, errors.New("cluster: masters: want a host with a name")
		}
		c.Masters = append(c.Masters, h)
	}
	for _, saved := range s.Members {
		m := schema.KlusterMember{Host: string(saved.Host), Master: saved.Master, Etcd: saved.Etcd, Zone: string(saved.Zone), Version: string(saved.Version)}
		for _, a := range saved.Addresses {
			m.Addresses = append(m.Addresses, string(a))
		}
		c.Members = append(c.Members, m)
	}
	return c, nil
}
