package compile_test

import (
	"context"
	"fmt"
	"os"

	"muster/compile"
	"muster/compile/syntax"
	"muster/schema"
)

func ExampleNetwork() {
	fleet, err := schema.Load(context.Background(), "testdata/example.toml", schema.Options{Nix: compile.CheckNix})
	if err != nil {
		fmt.Println(err)
		return
	}
	network, err := compile.Network(fleet, compile.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := syntax.Fprint(os.Stdout, network); err != nil {
		fmt.Println(err)
	}
	// Output:
	// # Written by muster compile from example.toml; edit that instead.
	// {
	//   network = {
	//     description = "NixOS fleet";
	//     enableRollback = true;
	//   };
	//
	//   # example.toml:4
	//   web1 = {
	//     deployment = {
	//       targetHost = "192.0.2.1";
	//       targetEnv = "none";
	//     };
	//     networking.hostName = "web1";
	//     fileSystems."/" = {
	//       device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952322";
	//       fsType = "ext4";
	//     };
	//     services.nginx.enable = true;
	//   };
	// }
}
