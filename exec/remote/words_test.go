package remote

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// What is wrong is said in words that a stranger to SSH can act on: what was met, and where.
func TestWordsOfBadSituations(t *testing.T) {
	s := startSSHD(t)
	says := func(text string, after time.Duration) string { return answering(t, text, after) }
	for _, tt := range []struct {
		name   string
		config []string // {DIR}: the server's directory
		addr   string   // "": the server
		file   string   // written to DIR/id2
		want   string
	}{
		{"a web server", nil, says("HTTP/1.1 400 Bad Request\r\n\r\n", 0), "", `is no SSH server of version 2: it says "HTTP/1.1 400 Bad Request"`},
		{"a web server that waits", nil, says("HTTP/1.0 408 Request Timeout\r\nConnection: close\r\n\r\n<html>", 200*time.Millisecond), "", `it says "HTTP/1.0 408 Request Timeout"`},
		{"TLS", nil, says("\x15\x03\x01\x00\x02\x02\x46", 0), "", "is no SSH server of version 2"},
		{"a mail server", nil, says("220 mx.example.org ESMTP\r\n", 0), "", `no SSH server of version 2: it says "220 mx.example.org ESMTP"`},
		{"SSH version 1", nil, says("SSH-1.5-OpenSSH_2.0\r\n", 0), "", "SSH-1.5"},
		{"sshd that refuses by text", nil, says("Not allowed at this time\r\n", 0), "", `it says "Not allowed at this time"`},
		{"sshd that is busy", nil, says("Exceeded MaxStartups\r\n", 0), "", `keeps closing the connection (tried for 8s): it says "Exceeded MaxStartups"`},
		{"a flood", nil, says(strings.Repeat("x", 1<<17), 0), "", "is no SSH server of version 2"},
		{"a key of PuTTY", []string{"IdentityFile {DIR}/id2"}, "", "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", "a key of PuTTY: export it for OpenSSH with puttygen"},
		{"a missing key", []string{"IdentityFile {DIR}/nothing"}, "", "", "{DIR}/nothing: there is no such file"},
		{"an empty key", []string{"IdentityFile {DIR}/id2"}, "", "\n", "{DIR}/id2"},
		{"a certificate as a key", []string{"IdentityFile {DIR}/id2"}, "", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "{DIR}/id2"},
		{"no agent", []string{"IdentityFile none", "IdentityAgent {DIR}/gone"}, "", "", "ssh-agent {DIR}/gone"},
		{"a name that is none", []string{"HostName no-such-host.invalid"}, "", "", "no such host"},
		{"a port where nothing listens", []string{fmt.Sprintf("Port %d", freePort(t))}, "", "", "connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fill := strings.NewReplacer("{DIR}", s.dir).Replace
			lines := []string{fill(strings.Join(tt.config, "\n"))}
			if tt.addr != "" {
				_, port, _ := net.SplitHostPort(tt.addr)
				lines = append(lines, "Port "+port)
			}
			config := s.client(t, lines...)
			if strings.Contains(strings.Join(tt.config, " "), "IdentityFile") { // and no other
				text, _ := os.ReadFile(config)
				s.write(t, "config", strings.ReplaceAll(string(text), "IdentityFile "+s.path("id")+"\n", ""))
			}
			s.write(t, "id2", tt.file)
			limit := 8 * time.Second
			if tt.addr == "" { // where it does not try until the limit
				limit = time.Minute
			}
			err := dialOnce(t, Config{ConfigFile: config, ConnectTimeout: limit}, Target{Name: "host"})
			if err == nil || !strings.Contains(err.Error(), fill(tt.want)) {
				t.Errorf("got  %v\nwant %s", err, fill(tt.want))
			}
		})
	}
}

// answering listens, and answers every connection by a text.
func answering(t *testing.T, text string, after time.Duration) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				time.Sleep(after)
				c.Write([]byte(text))
				c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
				c.Read(make([]byte, 1<<10))
			}()
		}
	}()
	return l.Addr().String()
}
