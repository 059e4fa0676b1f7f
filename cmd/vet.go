package cmd

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"

	"muster/compile"
)

type vetOptions struct{}

func (o *vetOptions) addFlags(*pflag.FlagSet) {}

func (o *vetOptions) run(ctx context.Context, std streams, args []string) error {
	fleet, err := loadFleet(ctx, std, args)
	if err != nil {
		return err
	}
	// Nix in the inventory is checked where it is read: by the compiler.
	if _, err := compile.Network(fleet, compile.Options{}); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%s, all in order\n", plural(len(fleet.Hosts), "host"))
	return nil
}

// plural is "1 host" or "3 hosts".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
