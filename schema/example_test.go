package schema_test

import (
	"context"
	"errors"
	"fmt"

	"muster/schema"
)

func ExampleLoad() {
	fleet, err := schema.Load(context.Background(), "testdata/example/hosts.toml", schema.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, h := range fleet.Hosts {
		fmt.Println(h.Name, h.Address, h.User, h.PosOf("user"))
	}
	// Output:
	// web1 192.0.2.1 admin testdata/example/hosts.toml:5:8
	// web2 192.0.2.2 admin testdata/example/hosts.toml:5:8
	// db 192.0.2.3 root testdata/example/hosts.toml:18:8
}

func ExampleLoad_problems() {
	_, err := schema.Load(context.Background(), "testdata/example/broken.toml", schema.Options{})
	var problems schema.Errors
	if errors.As(err, &problems) {
		for _, p := range problems.Invalid() {
			fmt.Println(p)
		}
	}
	// Output:
	// testdata/example/broken.toml:2:8: hosts.web1.host: got "192.0.2.300", want an IPv4 or IPv6 address or a domain name
	// testdata/example/broken.toml:3:1: hosts.web1.prot: unknown field "prot"; did you mean "port"?
}

func ExampleSelect() {
	fleet, err := schema.Load(context.Background(), "testdata/example/hosts.toml", schema.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	hosts, err := schema.Select(fleet, "@web & !web1")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, h := range hosts {
		fmt.Println(h.Name)
	}
	// Output: web2
}
