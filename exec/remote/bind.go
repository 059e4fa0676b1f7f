package remote

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// dialNet makes the network connection to a host, from the address that the settings say.
func dialNet(ctx context.Context, h hop) (net.Conn, error) {
	network := map[string]string{"inet": "tcp4", "inet6": "tcp6"}[h.AddressFamily]
	if network == "" {
		network = "tcp"
	}
	if h.BindAddress == "" && h.BindInterface == "" {
		return new(net.Dialer).DialContext(ctx, network, h.addr())
	}
	sources, err := sourceAddresses(ctx, h)
	if err != nil {
		return nil, err
	}
	// An address of the one kind cannot reach a host of the other: each is tried.
	for _, source := range sources {
		var c net.Conn
		dialer := &net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))}
		if c, err = dialer.DialContext(ctx, network, h.addr()); err == nil {
			return c, nil
		}
	}
	return nil, err
}

// sourceAddresses are the addresses of BindAddress or, without it, of BindInterface.
func sourceAddresses(ctx context.Context, h hop) (addresses []netip.Addr, err error) {
	if h.BindAddress != "" {
		addresses, err = net.DefaultResolver.LookupNetIP(ctx, "ip", h.BindAddress)
		if err != nil {
			return nil, fmt.Errorf("BindAddress %s: %w", h.BindAddress, err)
		}
	} else {
		i, err := net.InterfaceByName(h.BindInterface)
		if err != nil {
			return nil, fmt.Errorf("BindInterface %s: %w", h.BindInterface, err)
		}
		if addresses, err = addressesOf(*i); err != nil {
			return nil, fmt.Errorf("BindInterface %s: %w", h.BindInterface, err)
		}
	}
	if len(addresses) == 0 {
		return nil, fmt.Errorf("BindInterface %s has no address", h.BindInterface)
	}
	for i, a := range addresses {
		addresses[i] = a.Unmap()
	}
	return addresses, nil
}
