package cmd

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"

	"muster/schema"
)

// inventory is the inventory that the arguments name.
func inventory(args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	return "."
}

// loadFleet reads the inventory that the arguments name, and says its warnings.
func loadFleet(ctx context.Context, std streams, args []string) (*schema.Fleet, error) {
	fleet, err := schema.Load(ctx, inventory(args), schema.Options{})
	if err != nil {
		return nil, err
	}
	newProblemPrinter(std.err, mostOfAKind).print(fleet.Warnings)
	return fleet, nil
}

// selectFlags choose hosts of the fleet.
type selectFlags struct {
	on string
}

func (f *selectFlags) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&f.on, "on", "", "only the hosts of this `selector`: names, globs, @tag, +role, !not,\n\",\" for union and \"&\" for intersection (default all hosts)")
}

func (f *selectFlags) hosts(fleet *schema.Fleet) ([]*schema.Host, error) {
	if f.on == "" {
		return fleet.Hosts, nil
	}
	hosts, err := schema.Select(fleet, f.on)
	if err != nil {
		return nil, usageError{fmt.Errorf("--on %s: %w", f.on, err)}
	}
	return hosts, nil
}

// sshFlags say how hosts are reached.
type sshFlags struct {
	config         string
	connectTimeout time.Duration
}

func (f *sshFlags) addFlags(fs *pflag.FlagSet) {
	fs.StringVarP(&f.config, "ssh-config", "F", os.Getenv("MUSTER_SSH_CONFIG"), "read this SSH configuration `file` instead of the user's, as ssh -F\n(default $MUSTER_SSH_CONFIG)")
	fs.Lookup("ssh-config").DefValue = ""
	fs.DurationVar(&f.connectTimeout, "connect-timeout", 10*time.Second, "give up on a connection attempt after this `duration`")
}

func names(hosts []*schema.Host) []string {
	var ns []string
	for _, h := range hosts {
		ns = append(ns, h.Name)
	}
	return ns
}
