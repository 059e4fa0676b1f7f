package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"muster/exec/remote"
	"muster/exec/remote/sshconfig"
	"muster/schema"
)

// printConfig prints what the SSH configuration means for a host, as ssh -G does.
func (o *sshOptions) printConfig(ctx context.Context, std streams, args []string) error {
	if len(o.command) > 0 || len(args) > 2 {
		return usageError{errors.New("-G runs no command on the host")}
	}
	dialer := remote.NewDialer(remoteConfig(&o.ssh, nil))
	defer dialer.Close()
	query, err := o.query(ctx, std, dialer, args)
	if err != nil {
		return err
	}
	values, err := dialer.Resolve(ctx, query)
	if err != nil {
		return err
	}
	settings, err := values.Settings()
	if err != nil {
		return err
	}
	for _, warning := range settings.Warnings {
		fmt.Fprintf(std.err, "warning: %s\n", warning)
	}
	return values.Print(std.out)
}

// query is what ssh is asked for: the address of a host of the inventory, or what the user says where no inventory has a
// host of that name.
func (o *sshOptions) query(ctx context.Context, std streams, dialer *remote.Dialer, args []string) (sshconfig.Query, error) {
	name := args[0]
	fleet, err := o.reading.load(ctx, args[1:])
	var missing inventoryError
	switch {
	case errors.As(err, &missing) && len(args) == 1:
	case err != nil:
		return sshconfig.Query{}, err
	default:
		if i := slices.IndexFunc(fleet.Hosts, func(h *schema.Host) bool { return h.Name == name }); i >= 0 {
			h := fleet.Hosts[i]
			if err := readAddress(ctx, std, fleet, h); err != nil {
				return sshconfig.Query{}, err
			}
			return dialer.Query(target(h, h.Ways()[0])), nil
		}
	}
	query := sshconfig.Query{Host: name}
	if at := strings.LastIndexByte(name, '@'); at > 0 {
		query.User, query.Host = name[:at], name[at+1:]
	}
	return query, nil
}
