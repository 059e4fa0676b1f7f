package remote_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"muster/exec/remote"
)

func ExampleDialer_Dial() {
	server, err := remote.NewTestServer(nil) // an SSH server in this process
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	ctx := context.Background()

	dialer := remote.NewDialer(remote.Config{ConfigFile: server.ConfigFile})
	defer dialer.Close()
	target := server.Target // such as {Name: "web1", Address: "192.168.10.121", HostKeys: ["ssh-ed25519 AAAA…"]}
	web1, err := dialer.Dial(ctx, target)
	if err != nil {
		log.Fatal(err)
	}
	defer web1.Close()

	out, err := web1.Output(ctx, "echo", "every argument", "arrives as it is: $HOME")
	fmt.Printf("%s%v\n", out, err)

	err = web1.Run(ctx, remote.Command{Argv: []string{"sh", "-c", "echo disk full >&2; exit 7"}, Stdout: os.Stdout})
	var exit *remote.ExitError
	if errors.As(err, &exit) {
		fmt.Printf("%s: %v\n", exit.Host, err)
	}
	// Output:
	// every argument arrives as it is: $HOME
	// <nil>
	// web1: sh -c 'echo disk full >&2; exit 7': exit status 7: disk full
}
