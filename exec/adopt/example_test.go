package adopt_test

import (
	"fmt"
	"os"

	"muster/compile/syntax"
	"muster/exec/adopt"
	"muster/exec/host"
	"muster/schema"
)

// A container needs no more than its network.
func Example() {
	hw := &host.Hardware{Name: "web1", System: "x86_64-linux", OS: host.OS{Text: "Debian GNU/Linux 12"}, Virtual: host.Virtual{Container: "lxc"}}
	if err := syntax.Fprint(os.Stdout, adopt.Module(hw)); err != nil {
		fmt.Println(err)
	}
	way := adopt.Way{User: "root", Address: "192.0.2.7", HostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg"}
	text, err := schema.AddHost("hosts.cue", nil, adopt.Entry("web1", way, hw))
	fmt.Printf("%s%v\n", text, err)

	// Output:
	// # The hardware of web1, as muster adopt read it. muster adopt shows later what has
	// # changed; what you add here stays.
	// #   Debian GNU/Linux 12
	// { lib, ... }:
	// {
	//   # a container: lxc
	//   boot.isContainer = true;
	//
	//   # no address was found that is set by hand
	//   networking.useDHCP = lib.mkDefault true;
	// }
	// // Adopted from root@192.0.2.7, Debian GNU/Linux 12.
	// hosts: web1: {
	// 	host: "192.0.2.7"
	// 	user: "root"
	// 	// the key it presented, and those in /etc/ssh
	// 	host_keys: [
	// 		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg",
	// 	]
	// 	system: "x86_64-linux"
	// 	imports: ["./hardware/web1.nix"]
	// 	config: services: openssh: enable: true
	// }
	// <nil>
}
