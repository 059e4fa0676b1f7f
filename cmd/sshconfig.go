package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"muster/cmd/flags"
	"muster/exec/remote"
	"muster/exec/remote/sshconfig"
	"muster/schema"
)

// sshOptions are those of muster ssh.
type sshOptions struct {
	noRules
	reading loadFlags
	ssh     sshFlags
	print   bool
}

func (o *sshOptions) groups() []group { return []group{&o.reading, &o.ssh} }

func (o *sshOptions) addFlags(fs *flags.Set) {
	fs.VarP(flags.Bool(&o.print, false), "print-config", "G", "print what the SSH configuration means for HOST, as ssh -G does")
}

func (o *sshOptions) run(ctx context.Context, std streams, args []string) error {
	if !o.print {
		return usageError{errors.New("muster ssh needs -G")}
	}
	query, err := o.query(ctx, args)
	if err != nil {
		return err
	}
	dialer := remote.NewDialer(remoteConfig(&o.ssh, nil))
	defer dialer.Close()
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
func (o *sshOptions) query(ctx context.Context, args []string) (sshconfig.Query, error) {
	name := args[0]
	fleet, err := o.reading.load(ctx, args[1:])
	var missing inventoryError
	switch {
	case errors.As(err, &missing) && len(args) == 1:
	case err != nil:
		return sshconfig.Query{}, err
	default:
		if i := slices.IndexFunc(fleet.Hosts, func(h *schema.Host) bool { return h.Name == name }); i >= 0 {
			t := target(fleet.Hosts[i])
			return sshconfig.Query{Host: t.Address, Port: t.Port, User: t.User, DefaultUser: "root"}, nil
		}
	}
	query := sshconfig.Query{Host: name}
	if at := strings.LastIndexByte(name, '@'); at > 0 {
		query.User, query.Host = name[:at], name[at+1:]
	}
	return query, nil
}
