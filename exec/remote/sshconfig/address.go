package sshconfig

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
)

// looksNumeric reports whether ssh takes a host for an address, without looking closer.
func looksNumeric(host string) bool {
	return strings.ContainsAny(host, "%:") || strings.Trim(host, "0123456789.") == ""
}

// parseAddress reads an address as getaddrinfo(3) does: 127.1 and 0x7f000001 are addresses too.
func parseAddress(host string) (netip.Addr, bool) {
	if strings.Contains(host, ":") {
		addr, err := netip.ParseAddr(host)
		return addr, err == nil
	}
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	value := uint64(0)
	for i, part := range parts {
		number, err := strconv.ParseUint(part, 0, 32)
		if err != nil || strings.ContainsAny(part, "_oObB") || part[0] == '+' {
			return netip.Addr{}, false
		}
		bits := 8
		if i == len(parts)-1 {
			bits = 8 * (5 - len(parts))
		}
		if number >= 1<<bits {
			return netip.Addr{}, false
		}
		value = value<<bits | number
	}
	var octets [4]byte
	binary.BigEndian.PutUint32(octets[:], uint32(value))
	return netip.AddrFrom4(octets), true
}

// numericAddress is the usual spelling of an address of a family, which is a value of AddressFamily.
func numericAddress(host, family string) (string, bool) {
	addr, ok := parseAddress(host)
	if !ok || family == "inet" && !addr.Is4() || family == "inet6" && addr.Is4() {
		return "", false
	}
	return addr.String(), true
}
