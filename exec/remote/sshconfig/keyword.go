package sshconfig

// A keyword is a keyword of ssh_config(5), or more than one that mean the same.
type keyword struct {
	name    string   // as ssh -G prints it
	aliases []string // other names
	parse   parser
	initial string // the value where no line sets one
	print   printing
	many    bool // every line counts, not just the first
	use     use
	why     string // what muster does instead, or why nothing is to be done
}

// A printing is how ssh -G prints the values of a keyword.
type printing int

const (
	once     printing = iota // on one line, or not at all where there is none
	joined                   // all on one line, or "none"
	lines                    // each on a line
	unlisted                 // ssh -G does not print it
)

// A use is what muster does with a keyword. exec/SSH.md tells it.
type use string

const (
	used     use = "used"     // it means to muster what it means to ssh
	harmless use = "harmless" // it makes no difference to what muster does
	warned   use = "warned"   // a value that would make a difference is named in a warning
	obsolete use = "obsolete" // ssh itself passes over it
)

const (
	noForwarding = "muster forwards nothing"
	noTerminal   = "muster asks for no terminal and starts no interactive session"
	noMaster     = "muster keeps one connection a host by itself"
	noPasswords  = "muster sends a password only for trust --password, which asks for it"
	noLog        = "about ssh's own messages"
	noTicket     = "muster logs in by public keys alone, so it tries less than ssh"
	noConfig     = "decides how the file is read"
)

// keywords are all keywords of OpenSSH 9.9 and of Debian's, in the order in which ssh -G prints them.
var keywords = []keyword{
	{name: "host", print: unlisted, use: used},
	{name: "match", print: unlisted, use: used},
	{name: "include", print: unlisted, use: used},
	{name: "user", parse: word, use: used},
	{name: "hostname", parse: word, use: used},
	{name: "port", parse: port, initial: "22", use: used},
	{name: "addressfamily", parse: oneOf("inet", "inet", "inet6", "inet6", "any", "any"), initial: "any", use: used},
	{name: "batchmode", parse: flag, initial: "no", use: harmless, why: "muster behaves as with yes: it asks only for what it says it asks for"},
	{name: "canonicalizefallbacklocal", parse: flag, initial: "yes", use: used},
	{name: "canonicalizehostname", parse: with(trueFalse, "always", "always"), initial: "false", use: used},
	{name: "checkhostip", parse: flag, initial: "no", use: harmless, why: "off by default: it only warns of another address"},
	{name: "compression", parse: oneOf("yes", "yes", "no", "no"), initial: "no", use: harmless, why: "muster compresses what it copies by itself: --compress"},
	{name: "controlmaster", parse: with(trueFalse, "auto", "auto", "ask", "ask", "autoask", "autoask"), initial: "false", use: harmless, why: noMaster},
	{name: "enablesshkeysign", parse: flag, initial: "no", use: harmless, why: noTicket},
	{name: "clearallforwardings", parse: flag, initial: "no", use: harmless, why: noForwarding},
	{name: "exitonforwardfailure", parse: flag, initial: "no", use: harmless, why: noForwarding},
	{name: "fingerprinthash", parse: fingerprintHash, initial: "SHA256", use: harmless, why: "messages of muster show SHA256"},
	{name: "forwardx11", parse: flag, initial: "no", use: harmless, why: noForwarding},
	{name: "forwardx11trusted", parse: flag, initial: "no", use: harmless, why: noForwarding},
	{name: "gatewayports", parse: flag, initial: "no", use: harmless, why: noForwarding},
	{name: "gssapiauthentication", parse: flag, initial: "no", use: harmless, why: noTicket},
	{name: "gssapidelegatecredentials", parse: flag, initial: "no", use: harmless, why: noTicket},
	{name: "hashknownhosts", parse: flag, initial: "no", use: used},
	{name: "hostbasedauthentication", parse: flag, initial: "no", use: harmless, why: noTicket},
	{name: "identitiesonly", parse: flag, initial: "no", use: used},
	{name: "kbdinteractiveauthentication", aliases: []string{"challengeresponseauthentication", "skeyauthentication", "tisauthentication"}, parse: flag, initial: "yes", use: harmless, why: noPasswords},
	{name: "nohostauthenticationforlocalhost", parse: flag, initial: "no", use: warned, why: "host keys are always checked, also of this machine"},
	{name: "passwordauthentication", parse: flag, initial: "yes", use: harmless, why: noPasswords},
	{name: "permitlocalcommand", parse: flag, initial: "no", use: warned, why: "muster runs no command on this machine when it connects"},
	{name: "proxyusefdpass", parse: flag, initial: "no", use: used},
	{name: "pubkeyauthentication", aliases: []string{"dsaauthentication"}, parse: with(trueFalse, "unbound", "unbound", "host-bound", "host-bound"), initial: "true", use: used},
	{name: "requesttty", parse: with(trueFalse, "force", "force", "auto", "auto"), initial: "auto", use: harmless, why: noTerminal},
	{name: "sessiontype", parse: oneOf("none", "none", "subsystem", "subsystem", "default", "default"), initial: "default", use: harmless, why: "muster runs commands of its own"},
	{name: "stdinnull", parse: flag, initial: "no", use: harmless, why: noTerminal},
	{name: "forkafterauthentication", parse: flag, initial: "no", use: harmless, why: noTerminal},
	{name: "streamlocalbindunlink", parse: flag, initial: "no", use: harmless, why: noForwarding},
	{name: "stricthostkeychecking", parse: with(trueFalse, "ask", "ask", "off", "false", "accept-new", "accept-new"), initial: "ask", use: used, why: "no and ask mean yes: a deployment hands root to whoever answers"},
	{name: "tcpkeepalive", aliases: []string{"keepalive"}, parse: flag, initial: "yes", use: harmless, why: "muster probes every connection by itself"},
	{name: "tunnel", parse: with([]string{"ethernet", "ethernet", "point-to-point", "point-to-point", "yes", "point-to-point", "true", "point-to-point", "no", "false", "false", "false"}), initial: "false", use: harmless, why: noForwarding},
	{name: "verifyhostkeydns", parse: with(trueFalse, "ask", "ask"), initial: "false", use: warned, why: "a key that only the DNS confirms is unknown to muster, unless with --ssh openssh"},
	{name: "visualhostkey", parse: flag, initial: "no", use: harmless, why: noLog},
	{name: "updatehostkeys", parse: with(trueFalse, "ask", "ask"), use: used, why: "ask means no: nothing is asked"},
	{name: "enableescapecommandline", parse: flag, initial: "no", use: harmless, why: noTerminal},
	{name: "canonicalizemaxdots", parse: integer, initial: "1", use: used},
	{name: "connectionattempts", parse: integer, initial: "1", use: used},
	{name: "forwardx11timeout", parse: duration, initial: "1200", use: harmless, why: noForwarding},
	{name: "numberofpasswordprompts", parse: integer, initial: "3", use: harmless, why: noPasswords},
	{name: "serveralivecountmax", parse: integer, initial: "3", use: used},
	{name: "serveraliveinterval", aliases: []string{"protocolkeepalives"}, parse: duration, initial: "0", use: used},
	{name: "requiredrsasize", parse: integer, initial: "1024", use: used},
	{name: "obscurekeystroketiming", parse: keystrokes, initial: "yes", use: harmless, why: noTerminal},
	{name: "bindaddress", parse: word, use: used},
	{name: "bindinterface", parse: word, use: used},
	{name: "ciphers", parse: algorithms, use: used},
	{name: "controlpath", parse: word, use: harmless, why: noMaster},
	{name: "hostkeyalgorithms", parse: algorithms, use: used},
	{name: "hostkeyalias", parse: word, use: used},
	{name: "hostbasedacceptedalgorithms", aliases: []string{"hostbasedkeytypes"}, parse: algorithms, use: harmless, why: noTicket},
	{name: "identityagent", parse: agentSocket, use: used},
	{name: "ignoreunknown", parse: word, use: used},
	{name: "kbdinteractivedevices", parse: word, use: harmless, why: noPasswords},
	{name: "kexalgorithms", parse: algorithms, use: used},
	{name: "casignaturealgorithms", parse: algorithms, use: used},
	{name: "localcommand", parse: command, use: harmless, why: "muster runs no command on this machine when it connects"},
	{name: "remotecommand", parse: command, use: harmless, why: "muster runs commands of its own"},
	{name: "loglevel", parse: oneOf("quiet", "SILENT", "fatal", "FATAL", "error", "ERROR", "info", "INFO", "verbose", "VERBOSE", "debug", "DEBUG", "debug1", "DEBUG", "debug2", "DEBUG2", "debug3", "DEBUG3"), initial: "INFO", use: harmless, why: noLog},
	{name: "macs", parse: algorithms, use: used},
	{name: "pkcs11provider", aliases: []string{"smartcarddevice"}, parse: word, use: warned, why: "its keys are not offered: add them to an ssh-agent with ssh-add -s, or connect with --ssh openssh"},
	{name: "securitykeyprovider", parse: word, initial: "internal", use: harmless, why: "keys on a token are offered where an ssh-agent holds them"},
	{name: "preferredauthentications", parse: word, use: used},
	{name: "pubkeyacceptedalgorithms", aliases: []string{"pubkeyacceptedkeytypes"}, parse: algorithms, use: used},
	{name: "revokedhostkeys", parse: word, use: used},
	{name: "xauthlocation", parse: word, initial: "/usr/bin/xauth", use: harmless, why: noForwarding},
	{name: "knownhostscommand", parse: command, use: used},
	{name: "tag", parse: word, use: used},
	{name: "dynamicforward", parse: forwarding(forwardKind{dynamic: true}), print: lines, many: true, use: harmless, why: noForwarding},
	{name: "localforward", parse: forwarding(forwardKind{}), print: lines, many: true, use: harmless, why: noForwarding},
	{name: "remoteforward", parse: forwarding(forwardKind{remote: true}), print: lines, many: true, use: harmless, why: noForwarding},
	{name: "identityfile", aliases: []string{"identityfile2"}, parse: word, print: lines, many: true, use: used},
	{name: "canonicaldomains", parse: canonicalDomains, print: joined, use: used},
	{name: "certificatefile", parse: word, print: lines, many: true, use: used},
	{name: "globalknownhostsfile", parse: files, print: joined, use: used},
	{name: "userknownhostsfile", parse: files, print: joined, use: used},
	{name: "sendenv", parse: sendEnv, print: lines, many: true, use: harmless, why: "what muster runs gets the environment that it says"},
	{name: "setenv", parse: setEnv, print: lines, use: harmless, why: "what muster runs gets the environment that it says"},
	{name: "logverbose", parse: logVerbose, print: joined, use: harmless, why: noLog},
	{name: "channeltimeout", parse: channelTimeout, print: joined, use: harmless, why: "muster limits the time of what it runs by itself"},
	{name: "permitremoteopen", parse: permitRemoteOpen, initial: "any", print: joined, use: harmless, why: noForwarding},
	{name: "addkeystoagent", parse: addKeysToAgent, initial: "false", use: harmless, why: "muster adds no key to an ssh-agent"},
	{name: "forwardagent", parse: forwardAgent, initial: "no", use: harmless, why: noForwarding},
	{name: "connecttimeout", aliases: []string{"setuptimeout"}, parse: duration, initial: "none", use: used},
	{name: "tunneldevice", parse: tunnelDevice, initial: "any:any", use: harmless, why: noForwarding},
	{name: "canonicalizePermittedcnames", parse: permittedNames, print: joined, use: used},
	{name: "controlpersist", parse: controlPersist, initial: "no", use: harmless, why: noMaster},
	{name: "escapechar", parse: escapeChar, initial: "~", use: harmless, why: noTerminal},
	{name: "ipqos", parse: ipQoS, initial: "af21 cs1", use: harmless, why: "about how routers treat packets"},
	{name: "rekeylimit", parse: rekeyLimit, initial: "0 0", use: used, why: "muster changes keys by the number of bytes, not by the time"},
	{name: "streamlocalbindmask", parse: bindMask, initial: "0177", use: harmless, why: noForwarding},
	{name: "syslogfacility", parse: oneOf("daemon", "DAEMON", "user", "USER", "auth", "AUTH", "authpriv", "AUTHPRIV", "local0", "LOCAL0", "local1", "LOCAL1", "local2", "LOCAL2", "local3", "LOCAL3", "local4", "LOCAL4", "local5", "LOCAL5", "local6", "LOCAL6", "local7", "LOCAL7"), initial: "USER", use: harmless, why: noLog},
	{name: "proxycommand", parse: command, use: used},
	{name: "proxyjump", parse: command, use: used},

	{name: "gssapikeyexchange", parse: flag, print: unlisted, use: harmless, why: noTicket},
	{name: "gssapitrustdns", parse: flag, print: unlisted, use: harmless, why: noTicket},
	{name: "gssapirenewalforcesrekey", parse: flag, print: unlisted, use: harmless, why: noTicket},
	{name: "gssapiclientidentity", parse: word, print: unlisted, use: harmless, why: noTicket},
	{name: "gssapiserveridentity", parse: word, print: unlisted, use: harmless, why: noTicket},
	{name: "gssapikexalgorithms", parse: word, print: unlisted, use: harmless, why: noTicket},
	{name: "protocol", aliases: []string{"cipher", "fallbacktorsh", "globalknownhostsfile2", "rhostsauthentication", "userknownhostsfile2",
		"useroaming", "usersh", "useprivilegedport"}, parse: ignored, print: unlisted, use: obsolete, why: "ssh passes over it too"},
	{name: "afstokenpassing", aliases: []string{"kerberosauthentication", "kerberostgtpassing", "rsaauthentication", "rhostsrsaauthentication",
		"compressionlevel"}, parse: ignored, print: unlisted, use: obsolete, why: "ssh passes over it too"},
}

// keywordsByName are the keywords by all their names in lower case.
var keywordsByName map[string]*keyword

func init() {
	keywordsByName = map[string]*keyword{}
	for i := range keywords {
		k := &keywords[i]
		for _, name := range append(k.aliases, k.name) {
			keywordsByName[lower(name)] = k
		}
	}
}
