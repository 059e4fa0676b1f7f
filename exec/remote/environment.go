package remote

import (
	"bytes"
	"cmp"
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"muster/exec/foreign"
)

// This file is what an ssh configuration can refer to on this machine.

// glob finds the files of an Include as ssh does: * and ? do not match a dot at the beginning of a name, and "!" negates a
// class of characters, not "^". Directories hold no settings.
func glob(pattern string) ([]string, error) {
	names, err := filepath.Glob(strings.NewReplacer("[!", "[^", "[^", `[\^`).Replace(pattern))
	if err != nil {
		return nil, nil // a pattern that is wrong matches no file
	}
	wanted := strings.Split(pattern, "/")
	names = slices.DeleteFunc(names, func(name string) bool {
		for i, part := range strings.Split(name, "/") {
			if strings.HasPrefix(part, ".") && i < len(wanted) && !strings.HasPrefix(wanted[i], ".") {
				return true
			}
		}
		info, err := os.Stat(name)
		return err == nil && info.IsDir()
	})
	slices.Sort(names)
	return names, nil
}

// service finds the TCP port of a service in services(5).
func service(name string) (port int, ok bool) {
	text, err := foreign.ReadFile("/etc/services", foreign.Settings(1<<20))
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(text) {
		line, _, _ = bytes.Cut(line, []byte("#"))
		words := strings.Fields(string(line))
		if len(words) < 2 || !slices.Contains(append(words[2:], words[0]), name) {
			continue
		}
		number, isTCP := strings.CutSuffix(words[1], "/tcp")
		if port, err := strconv.ParseUint(number, 10, 16); isTCP && err == nil {
			return int(port), true
		}
	}
	return 0, false
}

// localAddresses are those of the interfaces that are up.
func localAddresses() (addresses []netip.Addr, err error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		of, err := addressesOf(i)
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, of...)
	}
	return addresses, nil
}

func addressesOf(i net.Interface) (addresses []netip.Addr, err error) {
	all, err := i.Addrs()
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if network, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(network.IP); ok {
				addresses = append(addresses, addr.Unmap())
			}
		}
	}
	return addresses, nil
}

// lookupHost looks a name up, and returns the name that it is an alias of.
func lookupHost(ctx context.Context, name, family string) (cname string, err error) {
	network := map[string]string{"inet": "ip4", "inet6": "ip6"}[family]
	if _, err := net.DefaultResolver.LookupNetIP(ctx, cmp.Or(network, "ip"), name); err != nil {
		return "", err
	}
	if cname, err = net.DefaultResolver.LookupCNAME(ctx, name); err != nil {
		return "", nil // it has an address, and is no alias
	}
	return strings.TrimSuffix(cname, "."), nil
}
