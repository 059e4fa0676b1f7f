package remote

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// forwardAgent lets commands on the machine use the keys of the ssh-agent at a socket.
func (d *Dialer) forwardAgent(ctx context.Context, m *Machine, socket string) error {
	why := errors.New("there is no ssh-agent here: SSH_AUTH_SOCK is not set")
	if socket != "" {
		var c *agentConn
		if c, _, why = d.agents.get(ctx, socket); why == nil {
			why = agent.ForwardToAgent(m.conn.client, c.client)
		}
	}
	if why != nil {
		return fmt.Errorf("forward the ssh-agent to %s: %w", m.target.Name, why)
	}
	m.forwardsAgent = true
	return nil
}

// askForAgent asks the server to give a session a way to the ssh-agent here. A server that forbids it (sshd's
// AllowAgentForwarding) runs the command without, as with ssh.
func askForAgent(session ssh.Channel) {
	session.SendRequest("auth-agent-req@openssh.com", false, nil)
}
