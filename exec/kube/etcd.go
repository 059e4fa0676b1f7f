package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	etcdserverpb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	fleet "muster/schema"
)

// An EtcdMember is one member of etcd.
type EtcdMember struct {
	ID      uint64
	Name    string
	URLs    []string // at which clients reach it
	Learner bool
	Leader  bool
	Version string
	Size    int64  // of its database, in bytes
	Problem string // why it is not healthy; "" where it is
	Down    bool   // it does not answer
}

// etcd is the etcd of a cluster, behind the masters.
type etcd struct {
	client *clientv3.Client
}

// askLimit is the limit for one question to etcd.
const askLimit = 5 * time.Second

func newEtcd(m *masters, endpoints []string, c *Credentials) (*etcd, error) {
	shows, err := showing(c.EtcdCert, c.EtcdKey, "the certificate for etcd", c.EtcdCA, "the authority of etcd")
	if err != nil {
		return nil, err
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: endpoints, Logger: zap.NewNop(), DialTimeout: askLimit,
		TLS: shows,
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			return m.dial(ctx, withoutScheme(addr))
		})},
	})
	if err != nil {
		return nil, err
	}
	return &etcd{client: client}, nil
}

// withoutScheme is the address of an endpoint.
func withoutScheme(endpoint string) string {
	if u, err := url.Parse(endpoint); err == nil && u.Host != "" {
		return u.Host
	}
	return endpoint
}

func (e *etcd) close() { e.client.Close() }

// members are all members, each asked for its health.
func (e *etcd) members(ctx context.Context) ([]EtcdMember, error) {
	limited, cancel := context.WithTimeoutCause(ctx, 2*askLimit, fmt.Errorf("no answer within %v", 2*askLimit))
	defer cancel()
	list, err := e.client.MemberList(limited)
	if err != nil {
		return nil, fmt.Errorf("ask etcd for its members: %w", cause(limited, err))
	}
	all := make([]EtcdMember, len(list.Members))
	done := make(chan struct{})
	for i, m := range list.Members {
		go func() {
			all[i] = e.member(ctx, m)
			done <- struct{}{}
		}()
	}
	for range all {
		<-done
	}
	slices.SortFunc(all, func(a, b EtcdMember) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// member asks one member for its health.
func (e *etcd) member(ctx context.Context, m *etcdserverpb.Member) EtcdMember {
	member := EtcdMember{ID: m.ID, Name: m.Name, URLs: m.ClientURLs, Learner: m.IsLearner}
	if len(m.ClientURLs) == 0 {
		member.Problem, member.Down = "it has not begun", true
		return member
	}
	limited, cancel := context.WithTimeoutCause(ctx, askLimit, fmt.Errorf("no answer within %v", askLimit))
	defer cancel()
	s, err := e.client.Status(limited, m.ClientURLs[0])
	switch {
	case err != nil:
		member.Problem, member.Down = cause(limited, err).Error(), true
	case s.Leader == 0:
		member.Problem = "it knows no leader"
	case len(s.Errors) > 0:
		member.Problem = strings.Join(s.Errors, "; ")
	}
	if err == nil {
		member.Version, member.Size, member.Leader = s.Version, s.DbSize, s.Leader == m.ID
	}
	return member
}

// cause is why a question got no answer.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// memberOf finds the member of etcd that is on a host; nil for none.
func memberOf(all []EtcdMember, m *fleet.KlusterMember) *EtcdMember {
	i := slices.IndexFunc(all, func(e EtcdMember) bool {
		return slices.ContainsFunc(e.URLs, func(u string) bool {
			host, _, err := net.SplitHostPort(withoutScheme(u))
			return err == nil && slices.Contains(m.Addresses, host)
		})
	})
	if i < 0 {
		// k3s and rke2 give a member the name of the node and some digits.
		i = slices.IndexFunc(all, func(e EtcdMember) bool {
			rest, ok := strings.CutPrefix(strings.ToLower(e.Name), strings.ToLower(m.Host))
			return ok && (rest == "" || strings.HasPrefix(rest, "-") && len(rest) == 9)
		})
	}
	if i < 0 {
		return nil
	}
	return &all[i]
}

// mayLose fails where the others would have no quorum without a member. One that does not
// answer is lost already. One that answers and knows no leader is not: an election may be
// going on.
func mayLose(all []EtcdMember, member *EtcdMember) error {
	voters, healthy := 0, 0 // without the member itself
	var ill []string
	for i := range all {
		if all[i].Learner {
			continue
		}
		voters++
		switch {
		case all[i].ID == member.ID:
		case all[i].Problem == "":
			healthy++
		default:
			ill = append(ill, fmt.Sprintf("%s: %s", all[i].Name, all[i].Problem))
		}
	}
	if voters <= 1 || member.Learner || member.Down {
		return nil
	}
	if quorum := voters/2 + 1; healthy < quorum {
		text := fmt.Sprintf("etcd would lose its quorum without %s: %d of %d members would be healthy, and %d are needed", member.Name, healthy, voters, quorum)
		if len(ill) > 0 {
			text += " (" + strings.Join(ill, "; ") + ")"
		}
		return errors.New(text)
	}
	return nil
}

// removeMember takes a member out of etcd for good. The others have to keep their quorum.
func (e *etcd) removeMember(ctx context.Context, member *EtcdMember) error {
	limited, cancel := context.WithTimeoutCause(ctx, 2*askLimit, fmt.Errorf("no answer within %v", 2*askLimit))
	defer cancel()
	_, err := e.client.MemberRemove(limited, member.ID)
	if err != nil && !errors.Is(err, rpctypes.ErrMemberNotFound) { // another has removed it just now
		return fmt.Errorf("remove %s from etcd: %w", member.Name, cause(limited, err))
	}
	return nil
}

// mayRemove fails where the others would have no quorum when a member is taken out of etcd.
func mayRemove(all []EtcdMember, member *EtcdMember) error {
	voters, healthy := 0, 0
	for i := range all {
		if all[i].ID == member.ID || all[i].Learner {
			continue
		}
		voters++
		if all[i].Problem == "" {
			healthy++
		}
	}
	if voters == 0 {
		return fmt.Errorf("%s is the only member of etcd", member.Name)
	}
	if quorum := voters/2 + 1; healthy < quorum {
		return fmt.Errorf("etcd would have no quorum without %s: %d of the %d others are healthy, and %d are needed", member.Name, healthy, voters, quorum)
	}
	return nil
}
