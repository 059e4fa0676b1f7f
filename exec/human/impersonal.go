package human

import (
	"regexp"
	"strings"

	"muster/exec/ondemand"
)

// Impersonal is a text about a host without its name, places in the inventory, addresses,
// digests and times: what two hosts have in common that fail for one cause.
func Impersonal(host, text string) string {
	if host != "" && strings.Contains(text, host) {
		text = hostWord(host).ReplaceAllString(text, "${1}HOST$2")
	}
	return particular().ReplaceAllString(text, "…")
}

// hostWord matches the name of a host where it stands alone, or begins a domain name.
func hostWord(name string) *regexp.Regexp {
	return regexp.MustCompile(`(^|[^A-Za-z0-9-])` + regexp.QuoteMeta(name) + `($|[^A-Za-z0-9-])`)
}

// particular matches places in inventories, addresses, digests of store paths, and durations.
var particular = ondemand.Regexp(`[^\s:]+\.(?:cue|toml|ya?ml|json):\d+:\d+\b|\b\d{1,3}(\.\d{1,3}){3}\b|\[?[0-9a-fA-F]{0,4}(:[0-9a-fA-F]{0,4}){2,7}\]?|\b[0-9a-df-np-sv-z]{32}-|\b\d+(\.\d+)? ?(ms|s|m|h)\b|\bSHA256:[A-Za-z0-9+/]{43}`)
