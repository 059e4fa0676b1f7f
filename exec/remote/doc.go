// Package remote is one machine, reached over SSH.
//
// A [Dialer] knows the user's ssh configuration, agent and known hosts, and makes connections. A [Machine] is one
// connection, kept for a whole run: every command is a session on it, at most eight at a time, and a keepalive notices
// when the link is dead.
//
//	dialer := remote.NewDialer(remote.Config{ConfigFile: sshConfig})
//	defer dialer.Close()
//	web1, err := dialer.Dial(ctx, remote.Target{Name: "web1", Address: "192.168.10.121"})
//	if err != nil {
//		return err // errors.Is(err, remote.ErrHostKeyChanged), remote.ErrAuth, remote.ErrUnreachable ...
//	}
//	defer web1.Close()
//	system, err := web1.Output(ctx, "readlink", "/run/current-system")
//
// The flow of a dial: sshconfig.go finds out what ssh would do, auth.go collects the keys to offer, hostkey.go the keys
// to expect, dial.go connects (through jump hosts where there are any) and conn.go watches the link. The flow of a
// command: command.go builds the one line the login shell gets, session.go runs it, sudo.go gives it root.
//
// Host keys are always checked. "StrictHostKeyChecking no" and "ask" mean yes here, because a deployment hands root to
// whoever answers; "accept-new" is honoured. When the inventory pins keys for a host, they alone decide.
//
// What the ssh configuration says about ciphers, MACs and key exchange is not read: golang.org/x/crypto/ssh's own
// choice is both safe and fast. KnownHostsCommand, VerifyHostKeyDNS and PKCS#11 providers are not supported; a key they
// would have vouched for is unknown here.
package remote
