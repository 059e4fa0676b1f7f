package sshconfig

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// A generator makes configurations at random, of which most are valid and some are refused by ssh.
type generator struct {
	*rand.Rand
	dialect dialect
	dir     string // holds the included files, included.1.conf and so on
	jumps   bool   // the configuration names a jump host
	wrong   bool   // it may hold lines that ssh refuses
}

// A configuration is what a generator makes.
type configuration struct {
	main     string
	included []string
	query    Query
}

func (g *generator) of(choices ...string) string { return choices[g.IntN(len(choices))] }

func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

var generatedHosts = []string{"web1", "Web1", "WEB1", "db-3", "DB-3", "a.example.org", "A.Example.ORG", "10.0.0.1", "10.1", "::1", "fe80::1%lo", "x_y", "web1.", "0x7f.1"}

func (g *generator) configuration() configuration {
	g.wrong = g.chance(25)
	g.jumps = g.chance(35)
	c := configuration{query: Query{Host: g.of(generatedHosts...)}}
	if g.chance(20) {
		c.query.User = g.of("deploy", "root", "Deploy")
	}
	if g.chance(15) {
		c.query.Port = 1 + g.IntN(65535)
	}
	for range g.IntN(3) {
		c.included = append(c.included, g.file(1+g.IntN(6), len(c.included)))
	}
	c.main = g.file(2+g.IntN(14), len(c.included))
	return c
}

// file makes a file that can include some others.
func (g *generator) file(n, others int) string {
	var b strings.Builder
	for range n {
		switch {
		case g.chance(14):
			g.write(&b, "Host", g.patterns())
		case g.chance(12):
			g.write(&b, "Match", g.criteria())
		case g.chance(6):
			g.write(&b, "Include", g.include(others))
		case g.chance(4):
			b.WriteString(g.of("\n", "# User nobody\n", "   \t\n", "\t# x\n", "\f\n", "\r\n"))
		case g.chance(3):
			g.write(&b, "IgnoreUnknown", g.of("NoSuch*", "Xyz,nosuchkeyword", "*such*,!other"))
		case g.chance(2) || g.wrong && g.chance(3):
			g.write(&b, g.of("NoSuchKeyword", "xyz", "RevokedHostKey", "other-such"), g.of("x", "yes no", `"a`))
		default:
			key, value := g.setting()
			g.write(&b, key, value)
		}
	}
	text := b.String()
	if g.chance(10) {
		text = strings.TrimSuffix(text, "\n")
	}
	return text
}

// write writes a line in one of the ways that ssh reads.
func (g *generator) write(b *strings.Builder, key, value string) {
	b.WriteString(g.of("", "", "", "  ", "\t", " \t "))
	switch g.IntN(6) {
	case 0:
		key = strings.ToLower(key)
	case 1:
		key = strings.ToUpper(key)
	}
	b.WriteString(key)
	b.WriteString(g.of(" ", " ", " ", "  ", "\t", "=", " = ", "= ", " ="))
	b.WriteString(value)
	isRaw := strings.HasSuffix(strings.ToLower(key), "command") || strings.EqualFold(key, "proxyjump")
	if g.chance(6) && !isRaw {
		b.WriteString(g.of(" # comment", "\t#", " #x \"", " ### y"))
	}
	if g.wrong && g.chance(2) {
		b.WriteString(g.of(" extra", ` "`, " ''"))
	}
	b.WriteString(g.of("\n", "\n", "\n", " \n", "\r\n", "\t\n"))
}

func (g *generator) pattern() string {
	p := g.of("web1", "WEB1", "Web*", "web?", "web*", "db-3", "DB-*", "*", "*.example.org", "*.Example.org", "10.*", "10.0.0.?", "::1", "*1", "?*", "x_y", "nothing")
	if g.chance(15) {
		p = "!" + p
	}
	return p
}

func (g *generator) patterns() string {
	var ps []string
	for range 1 + g.IntN(3) {
		p := g.pattern()
		if g.chance(8) {
			p = `"` + p + `"`
		}
		ps = append(ps, p)
	}
	if g.wrong && g.chance(4) {
		ps = append(ps, `""`)
	}
	return strings.Join(ps, g.of(" ", "  ", "\t"))
}

func (g *generator) list(items ...string) string {
	var out []string
	for range 1 + g.IntN(2) {
		item := g.of(items...)
		if g.chance(15) {
			item = "!" + item
		}
		out = append(out, item)
	}
	return strings.Join(out, ",")
}

func (g *generator) criteria() string {
	if g.chance(10) {
		return g.of("all", "ALL", "final all", "canonical all", "!all", "final", "!final")
	}
	var words []string
	for range 1 + g.IntN(3) {
		word, value := "", ""
		switch g.IntN(9) {
		case 0, 1:
			word, value = "host", g.list("web1", "WEB*", "*.example.org", "10.*", "real.*", "db-3", "*")
		case 2:
			word, value = "originalhost", g.list("web1", "Web1", "db-*", "*")
		case 3:
			word, value = "user", g.list("deploy", "Deploy", "root", "*")
		case 4:
			word, value = "localuser", g.list("root", "nobody", "ROOT")
		case 5:
			word = g.of("final", "canonical")
		case 6:
			word, value = "exec", g.of("true", "false", `"test %h = web1"`, `"test %n = web1 -a %p = 22"`, `"test %r = deploy"`, `"exit 3"`, `"test -n '%C%d%k%i%u%l%L'"`)
			if g.wrong && g.chance(10) {
				value = `"true %Q"`
			}
		case 7:
			word, value = "host", g.of("web1", `"web1,db-3"`)
			if g.dialect.isNew {
				word, value = "tagged", g.list("blue", "green", "b*")
			}
		case 8:
			word, value = "user", "root"
			if g.dialect.isNew {
				word, value = "localnetwork", g.of("127.0.0.0/8", "10.99.0.0/16", "::1", "127.0.0.1,10.0.0.0/8")
				if g.wrong && g.chance(10) {
					value = g.of("10.0.0.1/8", "x", "10.0.0.0/33", "")
				}
			}
		}
		if g.wrong && g.chance(4) {
			word, value = g.of("colour", "hostname"), ""
			if g.dialect.isNew { // an older ssh splits the words of Match in another way
				word = g.of("colour", "host")
			}
		}
		separator := g.of(" ", " ", " ", "=")
		word = g.of("", "", "", "", "!") + g.of(word, word, strings.ToUpper(word))
		if value == "" {
			separator = ""
		}
		words = append(words, word+separator+value)
	}
	return strings.Join(words, " ")
}

func (g *generator) include(others int) string {
	if g.wrong && g.chance(10) {
		return g.of(`""`, `a "b`)
	}
	if others == 0 {
		return g.of("/nonexistent/*.conf", "nothing.d/*", "~/nothing-here/*", "~nosuchuser/x")
	}
	name := fmt.Sprintf("included.%d.conf", g.IntN(others))
	if g.dialect.isNew && g.chance(20) {
		return g.dir + g.of("/included.*%%", "/%n.conf", "/${MUSTER_TEST_NAME}", "/${NO_SUCH_VARIABLE}")
	}
	return g.dir + "/" + g.of(name, name, "included.*.conf", "incl*."+g.of("0", "1", "?", "[01]", "[!1]")+".conf", "*.hidden", name+" "+g.dir+"/none")
}

// tokens makes a text with tokens and, where the keyword takes them, with environment variables.
func (g *generator) tokens(prefix string, environment bool) string {
	text := prefix
	for range 1 + g.IntN(3) {
		text += g.of("-", "/", "x", "%h", "%n", "%p", "%r", "%u", "%d", "%i", "%k", "%l", "%L", "%%", "%h")
	}
	if g.chance(15) && (g.dialect.isNew || !g.jumps) {
		text += "%C"
	}
	if g.dialect.isNew && g.chance(8) {
		text += "%j"
	}
	if environment && g.chance(10) {
		text += "${MUSTER_TEST_NAME}"
	}
	if g.wrong && g.chance(5) {
		text += g.of("%Q", "%", "${NO_SUCH_VARIABLE}", "${", "${}")
	}
	return text
}

func (g *generator) path() string {
	return g.tokens(g.of("/k/", "~/", "~root/", "a", "~/.ssh/"), true)
}

func (g *generator) quoted(text string) string {
	switch g.IntN(8) {
	case 0:
		return `"` + text + `"`
	case 1:
		return `'` + text + `'`
	}
	return text
}

func (g *generator) time() string {
	if g.wrong && g.chance(8) {
		return g.of("soon", "1x", "m", "99999999999", "-1", "1m-3s", "40000w")
	}
	return g.of("0", "5", "90", "1m30s", "2H", "1d", "1w", "none", "none", "3s")
}

func (g *generator) number() string {
	if g.wrong && g.chance(8) {
		return g.of("-1", "x", "99999999999", "1.5", `""`)
	}
	return g.of("1", "2", "3", "17", "2147483647", "02", "1024")
}

func (g *generator) flag() string {
	if g.wrong && g.chance(5) {
		return g.of("maybe", "1", "on", `""`)
	}
	return g.of("yes", "no", "true", "false", "Yes", "NO")
}

func (g *generator) word(words ...string) string {
	if g.wrong && g.chance(6) {
		return g.of("whatever", "NONE", "yes,no", `""`)
	}
	w := g.of(words...)
	if g.chance(20) {
		w = strings.ToUpper(w)
	}
	return w
}

// algorithms makes a list of algorithms that the keyword knows.
func (g *generator) algorithms(key string) string {
	set := g.dialect.algorithms[key]
	var names []string
	for range 1 + g.IntN(4) {
		names = append(names, g.of(set.known...))
	}
	operator := g.of("", "", "+", "-", "^")
	if set.patterns && g.chance(25) || operator == "-" && g.chance(60) {
		names = append(names, g.of("*cert*", "ssh-*", "*", "*sha2*", "aes*", "*512*", "rsa-sha2-???", "sk-*"))
	}
	if g.wrong && g.chance(20) {
		names = append(names, g.of("", "foo", "none", "x*"))
		if key == "hostkeyalgorithms" { // of the other lists, ssh reports these and goes on without the list
			names = append(names, g.of("", "!"+names[0], g.dialect.oldOnly("RSA", "x"), g.dialect.oldOnly("ed25519", "-x")))
		}
	}
	return operator + strings.Join(names, ",")
}

func (g *generator) jump() string {
	g.jumps = true
	if g.wrong && g.chance(10) {
		return g.of("@b", "a,", ",", "b:nosuchservice", "b:0", "[::1", "ssh://b/path", "ssh://-b", "a b,c", "a,b # c,d")
	}
	hop := func() string {
		return g.of("", "me@", "a@b@") + g.of("b", "B", "[::1]", "10.0.0.2", "jump.example.org", "web1") + g.of("", "", ":22", ":2222", ":ssh", ":")
	}
	return g.of(hop(), hop(), hop()+","+hop(), "ssh://u@c:22", "ssh://c/", "none", "NONE", "None")
}

// setting makes a keyword and its value.
func (g *generator) setting() (key, value string) {
	if g.dialect.isNew && g.chance(4) {
		switch g.IntN(3) {
		case 0:
			return "Tag", g.of("blue", "green", "Blue", `"a b"`)
		case 1:
			return "ChannelTimeout", g.of("none", "session=5m", "*=1h x11=3", "NONE")
		default:
			return "ObscureKeystrokeTiming", g.of("yes", "no", "true", "interval:80", "interval:20")
		}
	}
	if g.jumps && g.chance(5) {
		return "ProxyJump", g.jump()
	}
	settings := []func() (string, string){
		func() (string, string) { return "User", g.quoted(g.of("deploy", "Deploy", "a b", "root")) },
		func() (string, string) {
			name := g.of("%h.example.org", "real.%h", "Real.Example.ORG", "10.0.0.1", "10.1", "::1", "%h", "x%%y", "0x7f000001", "010.1", "2001:DB8::1")
			if g.wrong && g.chance(10) {
				name = g.of("%n", "%", "fe80::1%lo", "%p")
			}
			return "HostName", name
		},
		func() (string, string) {
			if g.wrong && g.chance(10) {
				return "Port", g.of("0", "70000", "nosuchservice", "-1", `""`)
			}
			return "Port", g.of("22", "2222", "ssh", "https", "65535", "0022", "1")
		},
		func() (string, string) { return "AddressFamily", g.word("any", "inet", "inet6") },
		func() (string, string) { return "CheckHostIP", g.flag() },
		func() (string, string) { return "Compression", g.word("yes", "no") },
		func() (string, string) { return "ControlMaster", g.word("yes", "no", "auto", "ask", "autoask", "true") },
		func() (string, string) { return "ControlPath", g.word(g.path(), "none") },
		func() (string, string) {
			return "ControlPersist", g.of("yes", "no", "true", "false", "5m", "0", "600", "1h")
		},
		func() (string, string) { return "EnableSSHKeysign", g.flag() },
		func() (string, string) { return "ClearAllForwardings", g.flag() },
		func() (string, string) { return "FingerprintHash", g.word("md5", "sha256", "sha512") },
		func() (string, string) {
			return g.of("ForwardX11", "ForwardX11Trusted", "GatewayPorts", "HostbasedAuthentication"), g.flag()
		},
		func() (string, string) { return "GSSAPIAuthentication", g.flag() },
		func() (string, string) { return "GSSAPIDelegateCredentials", g.flag() },
		func() (string, string) { return "HashKnownHosts", g.flag() },
		func() (string, string) { return "IdentitiesOnly", g.flag() },
		func() (string, string) {
			return g.of("KbdInteractiveAuthentication", "ChallengeResponseAuthentication", "TISAuthentication"), g.flag()
		},
		func() (string, string) { return "NoHostAuthenticationForLocalhost", g.flag() },
		func() (string, string) { return "PasswordAuthentication", g.flag() },
		func() (string, string) { return "PermitLocalCommand", g.flag() },
		func() (string, string) { return "ProxyUseFdpass", g.flag() },
		func() (string, string) {
			return g.of("PubkeyAuthentication", "DSAAuthentication"), g.word("yes", "no", "unbound", "host-bound")
		},
		func() (string, string) { return "RequestTTY", g.word("yes", "no", "force", "auto") },
		func() (string, string) { return "SessionType", g.word("none", "subsystem", "default") },
		func() (string, string) { return "StdinNull", g.flag() },
		func() (string, string) { return "StreamLocalBindUnlink", g.flag() },
		func() (string, string) {
			return "StrictHostKeyChecking", g.word("yes", "no", "ask", "off", "accept-new", "true", "false")
		},
		func() (string, string) { return g.of("TCPKeepAlive", "KeepAlive"), g.flag() },
		func() (string, string) { return "Tunnel", g.word("yes", "no", "ethernet", "point-to-point", "false") },
		func() (string, string) { return "VerifyHostKeyDNS", g.word("yes", "no", "ask") },
		func() (string, string) { return "VisualHostKey", g.flag() },
		func() (string, string) { return "UpdateHostKeys", g.word("yes", "no", "ask") },
		func() (string, string) { return "EnableEscapeCommandline", g.flag() },
		func() (string, string) { return "CanonicalizeMaxDots", g.number() },
		func() (string, string) { return "CanonicalizeHostname", g.word("no", "no", "yes", "always") },
		func() (string, string) {
			if g.wrong {
				return "CanonicalizeFallbackLocal", g.flag()
			}
			return "CanonicalizeFallbackLocal", "yes"
		},
		func() (string, string) {
			if g.wrong && g.chance(10) {
				return "CanonicalDomains", g.of("-x", "a..b", "none a", "a/b")
			}
			return "CanonicalDomains", g.of("none", "a.invalid", "A.Invalid. b.invalid")
		},
		func() (string, string) {
			if g.wrong && g.chance(10) {
				return "CanonicalizePermittedCNAMEs", g.of("a", "none a:b", "a:")
			}
			return "CanonicalizePermittedCNAMEs", g.of("none", "None")
		},
		func() (string, string) {
			return "ConnectionAttempts", g.of(g.number(), g.of("1", g.of("1", "0")))
		},
		func() (string, string) { return "ForwardX11Timeout", g.time() },
		func() (string, string) { return "NumberOfPasswordPrompts", g.number() },
		func() (string, string) { return "ServerAliveCountMax", g.number() },
		func() (string, string) { return "ServerAliveInterval", g.time() },
		func() (string, string) { return "ConnectTimeout", g.time() },
		func() (string, string) { return "RequiredRSASize", g.number() },
		func() (string, string) { return "BindAddress", g.of("127.0.0.1", "%h", "x") },
		func() (string, string) { return "BindInterface", g.of("lo", "eth0") },
		func() (string, string) { return "Ciphers", g.algorithms("ciphers") },
		func() (string, string) { return "MACs", g.algorithms("macs") },
		func() (string, string) { return "KexAlgorithms", g.algorithms("kexalgorithms") },
		func() (string, string) { return "HostKeyAlgorithms", g.algorithms("hostkeyalgorithms") },
		func() (string, string) {
			return g.of("PubkeyAcceptedAlgorithms", "PubkeyAcceptedKeyTypes"), g.algorithms("pubkeyacceptedalgorithms")
		},
		func() (string, string) {
			return g.of("HostbasedAcceptedAlgorithms", "HostbasedKeyTypes"), g.algorithms("hostbasedacceptedalgorithms")
		},
		func() (string, string) { return "CASignatureAlgorithms", g.algorithms("casignaturealgorithms") },
		func() (string, string) { return "HostKeyAlias", g.of("Other", "none", "%h", "web1", "web:22") },
		func() (string, string) {
			return "IdentityAgent", g.of(g.path(), "none", "SSH_AUTH_SOCK", "$SSH_AUTH_SOCK", "$NO_SUCH", "${MUSTER_TEST_NAME}/s", g.of("~/a", g.tokens("$", false)))
		},
		func() (string, string) { return "KbdInteractiveDevices", g.of("pam", "bsdauth,pam") },
		func() (string, string) { return "LocalCommand", g.of("echo %h", "none", `echo "a b" # c`) },
		func() (string, string) { return "RemoteCommand", g.of(g.tokens("echo ", false), "none", "None") },
		func() (string, string) {
			return "LogLevel", g.word("quiet", "fatal", "error", "info", "verbose", "debug", "debug1", "debug2", "debug3")
		},
		func() (string, string) { return g.of("PKCS11Provider", "SmartcardDevice"), g.of("none", "/lib/p.so") },
		func() (string, string) { return "SecurityKeyProvider", g.of("internal", "/lib/sk.so") },
		func() (string, string) { return "PreferredAuthentications", g.of("publickey", "password,publickey") },
		func() (string, string) {
			if !g.dialect.isNew { // which expands it when it reads the file
				return "RevokedHostKeys", g.of("/etc/revoked", "none", "NONE", "x")
			}
			return "RevokedHostKeys", g.of(g.path(), "none", "NONE", "~/x")
		},
		func() (string, string) { return "XAuthLocation", "/usr/bin/x" },
		func() (string, string) {
			return "KnownHostsCommand", g.of("/bin/keys %H", "none", "/bin/k %f %I %t %K", `/bin/"k" 'x y'`)
		},
		func() (string, string) {
			return "ProxyCommand", g.of("nc %h %p", "none", "nc -x 'a b' %r # c", "NONE", "=nc")
		},
		func() (string, string) {
			if g.wrong && g.chance(15) {
				return g.of("LocalForward", "RemoteForward", "DynamicForward"), g.of("x y", "80", "80 a", "0 a:1", "[::1 a:1", "1 2 3", "a:b:c:d:e f:1", "0")
			}
			return g.of("LocalForward", "RemoteForward"), g.of("80 a:80", "127.0.0.1:80 [::1]:81", "/run/s /run/t", "[::1]:80 b:http", "*:80 c:1", "/run/%h b:22", "8080 /run/%r", "${MUSTER_TEST_NAME}:1 b:2")
		},
		func() (string, string) { return "DynamicForward", g.of("1080", "[::1]:1080", "127.0.0.1:1080", "http") },
		func() (string, string) {
			return g.of("IdentityFile", "IdentityFile2"), g.quoted(g.of(g.path(), g.path(), "none", "/k"))
		},
		func() (string, string) { return "CertificateFile", g.quoted(g.of(g.path(), "none", "/c")) },
		func() (string, string) {
			if g.wrong && g.chance(10) {
				return "GlobalKnownHostsFile", g.of("none /a", "/a none", `/a ""`)
			}
			return "GlobalKnownHostsFile", g.of("none", "/a", "~/g %h", `"/a b" /c`, "None")
		},
		func() (string, string) {
			if g.wrong && g.chance(10) {
				return "UserKnownHostsFile", g.of("none /a", "/a none", `"" /a`)
			}
			return "UserKnownHostsFile", g.of("none", "/a", "~/.ssh/known_hosts", `"/a b" ~/c`, "NONE", g.path()+" "+g.path(), "/dev/null")
		},
		func() (string, string) {
			if g.wrong && g.chance(10) {
				return "SendEnv", g.of("A=B", `""`)
			}
			return "SendEnv", g.of("LANG LC_*", "A", "-A", "-LC_*", "A B A")
		},
		func() (string, string) {
			if g.wrong && g.chance(10) {
				return "SetEnv", "A"
			}
			return "SetEnv", g.of("A=1", "A=1 B=2 A=3", `"A=x y"`)
		},
		func() (string, string) { return "LogVerbose", g.of("none", "kex.c:*", "a.c:f():1 b.c") },
		func() (string, string) {
			if g.wrong && g.chance(10) {
				return "PermitRemoteOpen", g.of("a", "any a:1", "a:0", "[::1")
			}
			return "PermitRemoteOpen", g.of("any", "none", "a:80 [::1]:81", "b:*", "c:http")
		},
		func() (string, string) {
			return "AddKeysToAgent", g.of("yes", "no", "ask", "confirm", "5m", "confirm 1h", "0", "Confirm")
		},
		func() (string, string) { return "ForwardAgent", g.flag() },
		func() (string, string) {
			if g.wrong && g.chance(10) {
				return "TunnelDevice", g.of("x", "1:2:3", "-1")
			}
			return "TunnelDevice", g.of("any", "1", "2:3", "any:4", "5:ANY")
		},
		func() (string, string) {
			if g.wrong && g.chance(10) {
				return "EscapeChar", g.of("ab", "^", `""`, "^!x")
			}
			return "EscapeChar", g.of("none", "~", "^A", "%", "^]", "x")
		},
		func() (string, string) {
			if g.wrong && g.chance(10) {
				return "IPQoS", g.of("x", "256", "af11 x")
			}
			if g.dialect.isNew { // OpenSSH 10 gives the old names another meaning
				return "IPQoS", g.of("af21", "cs1 EF", "none", "0", "af43 cs7", "17")
			}
			return "IPQoS", g.of("lowdelay throughput", "af21", "cs1 EF", "none", "0", "8 16", "af43 cs7", "reliability", "17")
		},
		func() (string, string) {
			if g.wrong && g.chance(10) {
				return "RekeyLimit", g.of("1x", "5", "1G soon", "x")
			}
			return "RekeyLimit", g.of("default", "1G", "500M 1h", "default none", "16", "1.5M", "0 30m", "1k 5")
		},
		func() (string, string) { return "StreamLocalBindMask", g.of("0177", "77", "0777", "0") },
		func() (string, string) { return "SyslogFacility", g.word("user", "daemon", "local3", "auth") },
		func() (string, string) { return "ExitOnForwardFailure", g.flag() },
		func() (string, string) {
			return g.of("Protocol", "Cipher", "UseRoaming", "RSAAuthentication", "CompressionLevel"), "2"
		},
		func() (string, string) { return "ForkAfterAuthentication", "no" },
	}
	return settings[g.IntN(len(settings))]()
}
