// Package remote runs commands on machines over SSH.
//
// A [Dialer] knows the user's ssh configuration, agent and known hosts, and makes connections. A [Machine] is one
// connection, kept for a whole run: every command is a session on it, at most eight at a time, and keepalives notice when
// the link is dead.
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
// The flow of a dial:
//
//	Target ─ settings.go, sshconfig ─▶ settings ─ route.go ─▶ hops
//	    each hop: offer.go (keys to offer: agent.go, identity.go)
//	              hostkey.go (keys to expect: knownhosts.go, keyscommand.go, hostalgorithms.go; not to take: revoked.go, krl.go)
//	              connect.go (attempts; through jump.go where there is a jump host; bind.go, algorithms.go)
//	    ▶ conn.go (keepalives) on transport.go (batch.go, coalesce.go)
//	          learn.go (further keys of the host); extra.go (where the server allows few sessions)
//
// [Dialer.HostKey] (presented.go) ends a dial when the host key is seen. Target.Password (password.go) logs in without keys,
// to install one by [Machine.Authorize].
//
// The flow of a command:
//
//	Command ─ command.go, quote.go ─▶ one line for the login shell, with sudo.go's prefix where it needs root
//	    ─ session.go ─▶ Stream (stream.go), whose output begin.go reads from the marker on
//	    ─ run.go ─▶ result; or abort.go when the context ends
//
// Host keys are always checked. "StrictHostKeyChecking no" and "ask" mean yes here, because a deployment hands root to
// whoever answers; "accept-new" is honoured. When the inventory pins keys for a host, they alone decide.
//
// Whatever a host sends has a limit in bytes and in time: maxLoginOutput and beginLimit before a command begins,
// stderrKept and maxOutput for what is kept of its output, answerLimit for the answer to a request, ConnectTimeout for a
// handshake, becomeLimit for a way to become root, abortLimit, quietLimit and drainLimit for the end of a command. A running command is limited by its context,
// and its output by the caller's writer.
//
// Where the ssh configuration says nothing about ciphers, MACs and key exchange, golang.org/x/crypto/ssh's own choice is both
// safe and fast. VerifyHostKeyDNS and PKCS#11 providers are not supported; a key that only they would confirm is unknown
// here, and a warning names the line. exec/SSH.md lists all keywords.
package remote
