package convert

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"muster/schema"
)

// sshOptions takes the arguments of ssh that the inventory has fields for.
func (e *entry) sshOptions(s *Setting) {
	words, _ := into[[]string](s)
	var rest []string
	for i := 0; i < len(words); i++ {
		flag, value := words[i], ""
		if len(flag) > 2 && strings.HasPrefix(flag, "-") {
			flag, value = flag[:2], flag[2:]
		} else if len(flag) == 2 && strings.Contains(flagsWithValue, flag[1:]) && i+1 < len(words) {
			i++
			value = words[i]
		}
		name, setting := optionOf(flag, value)
		if !e.sshOption(s, name, setting) {
			rest = append(rest, strings.TrimSpace(flag+" "+value))
		}
	}
	if len(rest) > 0 {
		e.list(s, "ssh's %s: say it for the host in ssh_config, which muster reads", strings.Join(rest, ", "))
	}
}

// flagsWithValue are the flags of ssh that a word follows.
const flagsWithValue = "BbcDEeFIiJLlmOoPpQRSWw"

// optionOf is the option of ssh_config(5) that a flag of ssh sets; "" for none.
func optionOf(flag, value string) (name, setting string) {
	switch flag {
	case "-o":
		if at := strings.IndexAny(value, "= \t"); at >= 0 {
			return strings.ToLower(value[:at]), strings.Trim(value[at:], "= \t\"")
		}
	case "-p":
		return "port", value
	case "-l":
		return "user", value
	case "-J":
		return "proxyjump", value
	case "-i":
		return "identityfile", value
	case "-A":
		return "forwardagent", "yes"
	case "-a":
		return "forwardagent", "no"
	case "-4":
		return "addressfamily", "inet"
	case "-6":
		return "addressfamily", "inet6"
	case "-t", "-T", "-q", "-v":
		return "loglevel", value
	}
	return "", ""
}

// sshOption sets the field for an option of ssh_config(5), and reports whether there is
// one.
func (e *entry) sshOption(s *Setting, name, value string) bool {
	switch name {
	case "port":
		port, err := strconv.ParseUint(value, 10, 16)
		if err != nil || port == 0 {
			return false
		}
		e.port = int(port)
	case "user":
		if !schema.Fits("User", value) {
			return false
		}
		e.user = value
	case "proxyjump":
		if !schema.Fits("Jump", value) {
			return false
		}
		e.jump = value
	case "forwardagent":
		on, ok := yesOrNo(value)
		if !ok {
			return false
		}
		e.setSSH("agent_forwarding", on)
	case "addressfamily":
		if !slices.Contains([]string{"any", "inet", "inet6"}, value) {
			return false
		}
		e.setSSH("address_family", value)
	case "serveraliveinterval":
		seconds, err := strconv.ParseUint(strings.TrimSuffix(value, "s"), 10, 16)
		if err != nil || seconds == 0 {
			return false
		}
		e.setSSH("keep_alive", fmt.Sprintf("%ds", seconds))
	case "stricthostkeychecking":
		return e.hostKeyPolicy(s, value)
	case "loglevel", "requesttty", "controlmaster", "controlpath", "controlpersist":
		// They change what a terminal shows, or share a connection: muster has one for each host.
	default:
		return e.sshConfigOption(name, value)
	}
	return true
}

// hostKeyPolicy is StrictHostKeyChecking. muster never connects to a host whose key has
// changed.
func (e *entry) hostKeyPolicy(s *Setting, value string) bool {
	switch value {
	case "yes":
		e.setSSH("host_key_policy", "strict")
	case "no", "off", "accept-new":
		reason := fmt.Sprintf("%s: StrictHostKeyChecking = %s", string(e.c.kind), value)
		e.setSSH("host_key_policy", []schema.NewField{{Name: "accept_new", Value: reason}})
		if value != "accept-new" {
			e.list(s, "a host key that has changed is refused; a first one is accepted")
		}
	default:
		return false
	}
	return true
}

// sshConfigOptions are the fields of ssh.options with their kinds.
var sshConfigOptions = map[string]string{
	"IdentityFile": "File", "CertificateFile": "File", "IdentityAgent": "File", "UserKnownHostsFile": "File", "GlobalKnownHostsFile": "File",
	"HostKeyAlias": "Text", "HostKeyAlgorithms": "Text", "ProxyCommand": "Text", "IdentitiesOnly": "yes or no", "HashKnownHosts": "yes or no", "ServerAliveCountMax": "number",
}

// sshConfigOption sets a field of ssh.options. /dev/null is no file that muster takes.
func (e *entry) sshConfigOption(name, value string) bool {
	for known, kind := range sshConfigOptions {
		if !strings.EqualFold(known, name) {
			continue
		}
		var field any = value
		switch kind {
		case "yes or no":
			on, ok := yesOrNo(value)
			if !ok {
				return false
			}
			field = on
		case "number":
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > 1000 {
				return false
			}
			field = n
		default:
			if !schema.Fits(kind, value) || value == "/dev/null" || strings.HasPrefix(known, "HostKeyAl") && strings.Contains(value, " ") {
				return false
			}
		}
		e.sshMore = setField(e.sshMore, known, field)
		return true
	}
	return false
}

func yesOrNo(value string) (on, ok bool) {
	return value == "yes", value == "yes" || value == "no"
}

func (e *entry) setSSH(name string, value any) { e.ssh = setField(e.ssh, name, value) }

// setField sets a field. As for ssh, the first of a name counts.
func setField(fields []schema.NewField, name string, value any) []schema.NewField {
	if slices.ContainsFunc(fields, func(f schema.NewField) bool { return f.Name == name }) {
		return fields
	}
	return append(fields, schema.NewField{Name: name, Value: value})
}
