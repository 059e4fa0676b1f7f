package cmd

import (
	"context"
	"fmt"
	"os"

	"muster/cmd/flags"
	"muster/schema"
)

// applyLocalOptions are those of apply-local, which deploys the machine that muster
// runs on.
type applyLocalOptions struct {
	deployOptions
	node string
}

func (o *applyLocalOptions) groups() []group {
	o.rollout.activates = true
	return []group{&o.selection.reading, &o.output, &o.how, &o.building, &o.rollout, &o.copy, &o.keep, &o.secrets, &o.tell, &o.deployOptions}
}

func (o *applyLocalOptions) addFlags(fs *flags.Set) {
	o.selection.choose = o.here
	fs.Var(flags.Of(&o.node, "", hostName), "node", "the `host` of the inventory that this machine is (default the one that has its name)")
}

func (o *applyLocalOptions) check() error { return nil }

func (o *applyLocalOptions) run(ctx context.Context, std streams, args []string) error {
	return o.deployOptions.run(ctx, std, args)
}

// here returns the host that this machine is. It is connected to without SSH.
func (o *applyLocalOptions) here(fleet *schema.Fleet) ([]*schema.Host, error) {
	for _, h := range fleet.Hosts {
		if here, _ := isHere(h); h.Name == o.node || here && o.node == "" {
			local := *h
			local.Local, local.Unconnected, local.AddressOption = true, false, nil
			o.ssh.here = h.Name
			return []*schema.Host{&local}, nil
		}
	}
	if o.node != "" {
		return nil, usageError{fmt.Errorf("--node %s: no host of the inventory has this name", o.node)}
	}
	name, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("find the name of this machine: %v", err)
	}
	return nil, usageError{fmt.Errorf("this machine is called %s, and no host of the inventory is: want --node", name)}
}
