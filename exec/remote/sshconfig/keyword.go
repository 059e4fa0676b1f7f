package sshconfig

// A keyword is a keyword of ssh_config(5), or more than one that mean the same.
type keyword struct {
	name    string   // as ssh -G prints it
	aliases []string // other names
	parse   parser
	initial string // the value where no line sets one
	print   printing
	many    bool // every line counts, not just the first
	use     Use
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

// A Use is what muster does with a keyword.
type Use string

const (
	Used     Use = "used"     // it means to muster what it means to ssh
	Harmless Use = "harmless" // it makes no difference to what muster does
	Warned   Use = "warned"   // a value that would make a difference is named in a warning
	Obsolete Use = "obsolete" // ssh itself passes over it
)

// A KeywordUse says what muster does with a keyword, and why.
type KeywordUse struct {
	Name    string
	Aliases []string
	Use     Use
	Why     string
}

// KeywordUses lists all keywords of ssh_config(5), in the order of ssh -G.
func KeywordUses() (uses []KeywordUse) {
	for _, k := range keywords {
		uses = append(uses, KeywordUse{Name: k.name, Aliases: k.aliases, Use: k.use, Why: k.why})
	}
	return uses
}

const (
	noForwarding = "muster forwards nothing"
	noTerminal   = "muster asks for no terminal and starts no interactive session"
	noMaster     = "muster keeps one connection a host by itself"
	noPasswords  = "muster never sends a password"
	noLog        = "about ssh's own messages"
	noTicket     = "muster logs in by public keys alone, so it tries less than ssh"
	noConfig     = "decides how the file is read"
)

// keywords are all keywords of OpenSSH 9.9 and of Debian's, in the order in which ssh -G prints them.
var keywords = []keyword{
	{name: "host", print: unlisted, use: Used},
	{name: "match", print: unlisted, use: Used},
	{name: "include", print: unlisted, use: Used},
	{name: "user", parse: word, use: Used},
	{name: "hostname", parse: word, use: Used},
	{name: "port", parse: port, initial: "22", use: Used},
	{name: "addressfamily", parse: oneOf("inet", "inet", "inet6", "inet6", "any", "any"), initial: "any", use: Used},
	{name: "batchmode", parse: flag, initial: "no", use: Harmless, why: "muster behaves as with yes: it asks only for what it says it asks for"},
	{name: "canonicalizefallbacklocal", parse: flag, initial: "yes", use: Used},
	{name: "canonicalizehostname", parse: with(trueFalse, "always", "always"), initial: "false", use: Used},
	{name: "checkhostip", parse: flag, initial: "no", use: Harmless, why: "off by default: it only warns of another address"},
	{name: "compression", parse: oneOf("yes", "yes", "no", "no"), initial: "no", use: Harmless, why: "muster compresses what it copies by itself: --compress"},
	{name: "controlmaster", parse: with(trueFalse, "auto", "auto", "ask", "ask", "autoask", "autoask"), initial: "false", use: Harmless, why: noMaster},
	{name: "enablesshkeysign", parse: flag, initial: "no", use: Harmless, why: noTicket},
	{name: "clearallforwardings", parse: flag, initial: "no", use: Harmless, why: noForwarding},
	{name: "exitonforwardfailure", parse: flag, initial: "no", use: Harmless, why: noForwarding},
	{name: "fingerprinthash", parse: fingerprintHash, initial: "SHA256", use: Harmless, why: "messages of muster show SHA256"},
	{name: "forwardx11", parse: flag, initial: "no", use: Harmless, why: noForwarding},
	{name: "forwardx11trusted", parse: flag, initial: "no", use: Harmless, why: noForwarding},
	{name: "gatewayports", parse: flag, initial: "no", use: Harmless, why: noForwarding},
	{name: "gssapiauthentication", parse: flag, initial: "no", use: Harmless, why: noTicket},
	{name: "gssapidelegatecredentials", parse: flag, initial: "no", use: Harmless, why: noTicket},
	{name: "hashknownhosts", parse: flag, initial: "no", use: Used},
	{name: "hostbasedauthentication", parse: flag, initial: "no", use: Harmless, why: noTicket},
	{name: "identitiesonly", parse: flag, initial: "no", use: Used},
	{name: "kbdinteractiveauthentication", aliases: []string{"challengeresponseauthentication", "skeyauthentication", "tisauthentication"}, parse: flag, initial: "yes", use: Harmless, why: noPasswords},
	{name: "nohostauthenticationforlocalhost", parse: flag, initial: "no", use: Warned, why: "host keys are always checked, also of this machine"},
	{name: "passwordauthentication", parse: flag, initial: "yes", use: Harmless, why: noPasswords},
	{name: "permitlocalcommand", parse: flag, initial: "no", use: Warned, why: "muster runs no command on this machine when it connects"},
	{name: "proxyusefdpass", parse: flag, initial: "no", use: Used},
	{name: "pubkeyauthentication", aliases: []string{"dsaauthentication"}, parse: with(trueFalse, "unbound", "unbound", "host-bound", "host-bound"), initial: "true", use: Used},
	{name: "requesttty", parse: with(trueFalse, "force", "force", "auto", "auto"), initial: "auto", use: Harmless, why: noTerminal},
	{name: "sessiontype", parse: oneOf("none", "none", "subsystem", "subsystem", "default", "default"), initial: "default", use: Harmless, why: "muster runs commands of its own"},
	{name: "stdinnull", parse: flag, initial: "no", use: Harmless, why: noTerminal},
	{name: "forkafterauthentication", parse: flag, initial: "no", use: Harmless, why: noTerminal},
	{name: "streamlocalbindunlink", parse: flag, initial: "no", use: Harmless, why: noForwarding},
	{name: "stricthostkeychecking", parse: with(trueFalse, "ask", "ask", "off", "false", "accept-new", "accept-new"), initial: "ask", use: Used, why: "no and ask mean yes: a deployment hands root to whoever answers"},
	{name: "tcpkeepalive", aliases: []string{"keepalive"}, parse: flag, initial: "yes", use: Harmless, why: "muster probes every connection by itself"},
	{name: "tunnel", parse: with([]string{"ethernet", "ethernet", "point-to-point", "point-to-point", "yes", "point-to-point", "true", "point-to-point", "no", "false", "false", "false"}), initial: "false", use: Harmless, why: noForwarding},
	{name: "verifyhostkeydns", parse: with(trueFalse, "ask", "ask"), initial: "false", use: Warned, why: "a key that only the DNS confirms is unknown to muster"},
	{name: "visualhostkey", parse: flag, initial: "no", use: Harmless, why: noLog},
	{name: "updatehostkeys", parse: with(trueFalse, "ask", "ask"), use: Harmless, why: "muster adds no further keys of a known host to known_hosts"},
	{name: "enableescapecommandline", parse: flag, initial: "no", use: Harmless, why: noTerminal},
	{name: "canonicalizemaxdots", parse: integer, initial: "1", use: Used},
	{name: "connectionattempts", parse: integer, initial: "1", use: Used},
	{name: "forwardx11timeout", parse: duration, initial: "1200", use: Harmless, why: noForwarding},
	{name: "numberofpasswordprompts", parse: integer, initial: "3", use: Harmless, why: noPasswords},
	{name: "serveralivecountmax", parse: integer, initial: "3", use: Used},
	{name: "serveraliveinterval", aliases: []string{"protocolkeepalives"}, parse: duration, initial: "0", use: Used},
	{name: "requiredrsasize", parse: integer, initial: "1024", use: Used},
	{name: "obscurekeystroketiming", parse: keystrokes, initial: "yes", use: Harmless, why: noTerminal},
	{name: "bindaddress", parse: word, use: Used},
	{name: "bindinterface", parse: word, use: Used},
	{name: "ciphers", parse: algorithms, use: Used},
	{name: "controlpath", parse: word, use: Harmless, why: noMaster},
	{name: "hostkeyalgorithms", parse: algorithms, use: Used},
	{name: "hostkeyalias", parse: word, use: Used},
	{name: "hostbasedacceptedalgorithms", aliases: []string{"hostbasedkeytypes"}, parse: algorithms, use: Harmless, why: noTicket},
	{name: "identityagent", parse: agentSocket, use: Used},
	{name: "ignoreunknown", parse: word, use: Used},
	{name: "kbdinteractivedevices", parse: word, use: Harmless, why: noPasswords},
	{name: "kexalgorithms", parse: algorithms, use: Used},
	{name: "casignaturealgorithms", parse: algorithms, use: Used},
	{name: "localcommand", parse: command, use: Harmless, why: "muster runs no command on this machine when it connects"},
	{name: "remotecommand", parse: command, use: Harmless, why: "muster runs commands of its own"},
	{name: "loglevel", parse: oneOf("quiet", "SILENT", "fatal", "FATAL", "error", "ERROR", "info", "INFO", "verbose", "VERBOSE", "debug", "DEBUG", "debug1", "DEBUG", "debug2", "DEBUG2", "debug3", "DEBUG3"), initial: "INFO", use: Harmless, why: noLog},
	{name: "macs", parse: algorithms, use: Used},
	{name: "pkcs11provider", aliases: []string{"smartcarddevice"}, parse: word, use: Warned, why: "its keys are not offered: add them to an ssh-agent with ssh-add -s"},
	{name: "securitykeyprovider", parse: word, initial: "internal", use: Harmless, why: "keys on a token are offered where an ssh-agent holds them"},
	{name: "preferredauthentications", parse: word, use: Used},
	{name: "pubkeyacceptedalgorithms", aliases: []string{"pubkeyacceptedkeytypes"}, parse: algorithms, use: Used},
	{name: "revokedhostkeys", parse: word, use: Used},
	{name: "xauthlocation", parse: word, initial: "/usr/bin/xauth", use: Harmless, why: noForwarding},
	{name: "knownhostscommand", parse: command, use: Used},
	{name: "tag", parse: word, use: Used},
	{name: "dynamicforward", parse: forwarding(forwardKind{dynamic: true}), print: lines, many: true, use: Harmless, why: noForwarding},
	{name: "localforward", parse: forwarding(forwardKind{}), print: lines, many: true, use: Harmless, why: noForwarding},
	{name: "remoteforward", parse: forwarding(forwardKind{remote: true}), print: lines, many: true, use: Harmless, why: noForwarding},
	{name: "identityfile", aliases: []string{"identityfile2"}, parse: word, print: lines, many: true, use: Used},
	{name: "canonicaldomains", parse: canonicalDomains, print: joined, use: Used},
	{name: "certificatefile", parse: word, print: lines, many: true, use: Used},
	{name: "globalknownhostsfile", parse: files, print: joined, use: Used},
	{name: "userknownhostsfile", parse: files, print: joined, use: Used},
	{name: "sendenv", parse: sendEnv, print: lines, many: true, use: Harmless, why: "what muster runs gets the environment that it says"},
	{name: "setenv", parse: setEnv, print: lines, use: Harmless, why: "what muster runs gets the environment that it says"},
	{name: "logverbose", parse: logVerbose, print: joined, use: Harmless, why: noLog},
	{name: "channeltimeout", parse: channelTimeout, print: joined, use: Harmless, why: "muster limits the time of what it runs by itself"},
	{name: "permitremoteopen", parse: permitRemoteOpen, initial: "any", print: joined, use: Harmless, why: noForwarding},
	{name: "addkeystoagent", parse: addKeysToAgent, initial: "false", use: Harmless, why: "muster adds no key to an ssh-agent"},
	{name: "forwardagent", parse: forwardAgent, initial: "no", use: Harmless, why: noForwarding},
	{name: "connecttimeout", aliases: []string{"setuptimeout"}, parse: duration, initial: "none", use: Used},
	{name: "tunneldevice", parse: tunnelDevice, initial: "any:any", use: Harmless, why: noForwarding},
	{name: "canonicalizePermittedcnames", parse: permittedNames, print: joined, use: Used},
	{name: "controlpersist", parse: controlPersist, initial: "no", use: Harmless, why: noMaster},
	{name: "escapechar", parse: escapeChar, initial: "~", use: Harmless, why: noTerminal},
	{name: "ipqos", parse: ipQoS, initial: "af21 cs1", use: Harmless, why: "about how routers treat packets"},
	{name: "rekeylimit", parse: rekeyLimit, initial: "0 0", use: Used, why: "muster changes keys by the number of bytes, not by the time"},
	{name: "streamlocalbindmask", parse: bindMask, initial: "0177", use: Harmless, why: noForwarding},
	{name: "syslogfacility", parse: oneOf("daemon", "DAEMON", "user", "USER", "auth", "AUTH", "authpriv", "AUTHPRIV", "local0", "LOCAL0", "local1", "LOCAL1", "local2", "LOCAL2", "local3", "LOCAL3", "local4", "LOCAL4", "local5", "LOCAL5", "local6", "LOCAL6", "local7", "LOCAL7"), initial: "USER", use: Harmless, why: noLog},
	{name: "proxycommand", parse: command, use: Used},
	{name: "proxyjump", parse: command, use: Used},

	{name: "gssapikeyexchange", parse: flag, print: unlisted, use: Harmless, why: noTicket},
	{name: "gssapitrustdns", parse: flag, print: unlisted, use: Harmless, why: noTicket},
	{name: "gssapirenewalforcesrekey", parse: flag, print: unlisted, use: Harmless, why: noTicket},
	{name: "gssapiclientidentity", parse: word, print: unlisted, use: Harmless, why: noTicket},
	{name: "gssapiserveridentity", parse: word, print: unlisted, use: Harmless, why: noTicket},
	{name: "gssapikexalgorithms", parse: word, print: unlisted, use: Harmless, why: noTicket},
	{name: "protocol", aliases: []string{"cipher", "fallbacktorsh", "globalknownhostsfile2", "rhostsauthentication", "userknownhostsfile2",
		"useroaming", "usersh", "useprivilegedport"}, parse: ignored, print: unlisted, use: Obsolete, why: "ssh passes over it too"},
	{name: "afstokenpassing", aliases: []string{"kerberosauthentication", "kerberostgtpassing", "rsaauthentication", "rhostsrsaauthentication",
		"compressionlevel"}, parse: ignored, print: unlisted, use: Obsolete, why: "ssh passes over it too"},
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
