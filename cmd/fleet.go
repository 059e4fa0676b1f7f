package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"

	"muster/compile"
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
	fleet, err := readFleet(ctx, args)
	if err != nil {
		return nil, err
	}
	newProblemPrinter(std.err, mostOfAKind).print(fleet.Warnings)
	return fleet, nil
}

// readFleet is loadFleet for verbs that make no use of what warnings are about.
func readFleet(ctx context.Context, args []string) (*schema.Fleet, error) {
	defer relaxGC()()
	fleet, err := schema.Load(ctx, inventory(args), schema.Options{Nix: compile.CheckNix})
	var problems schema.Errors
	if err != nil && !errors.As(err, &problems) && ctx.Err() == nil {
		return nil, inventoryError{err}
	}
	return fleet, err
}

// An inventoryError says that there is no inventory to read where one was named.
type inventoryError struct{ error }

func (e inventoryError) Unwrap() error { return e.error }

// selectFlags choose hosts of the fleet.
type selectFlags struct {
	on    string
	flags *pflag.FlagSet
}

func (f *selectFlags) addFlags(fs *pflag.FlagSet) {
	f.flags = fs
	fs.StringVar(&f.on, "on", "", "only the hosts of this `selector`: names, globs, @tag, +role, !not,\n\",\" for union and \"&\" for intersection (default all hosts)")
}

func (f *selectFlags) hosts(fleet *schema.Fleet) ([]*schema.Host, error) {
	switch {
	case f.on == "" && f.flags != nil && f.flags.Changed("on"):
		// Somebody's empty variable must not stand for the whole fleet.
		return nil, usageError{errors.New("--on: an empty selector; leave it out for all hosts")}
	case f.on == "":
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

// check finds flags that cannot be meant before anything is done.
func (f *sshFlags) check() error {
	if f.connectTimeout <= 0 {
		return usageError{fmt.Errorf("--connect-timeout %v: must be more than nothing", f.connectTimeout)}
	}
	if f.config == "" || f.config == "none" {
		return nil
	}
	file, err := os.Open(f.config)
	if err != nil {
		return usageError{fmt.Errorf("--ssh-config: %v", err)}
	}
	return file.Close()
}

func names(hosts []*schema.Host) []string {
	var ns []string
	for _, h := range hosts {
		ns = append(ns, h.Name)
	}
	return ns
}
