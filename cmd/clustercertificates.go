package cmd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"muster/cmd/flags"
	"muster/exec/human"
	"muster/schema"
)

func secretsRenewEntry() entry {
	return entry{group: "inventory", use: "secrets renew [INVENTORY]", examples: exampleLines{{"muster secrets renew", "make the cluster's certificates anew that end soon"}, {"muster secrets renew --on m1", "those of one host"}}, verb: &renewOptions{}, short: "renew the cluster's certificates that end soon", long: `
Make the certificates in kluster.pki anew of which a third of their time is left, or thirty
days, with new keys, signed by the same authority. muster deploy does so too, for the hosts
that it deploys, and brings them there. The key of service accounts stays as it is.

` + inventoryHelp}
}

// renewOptions are those of secrets renew.
type renewOptions struct {
	noRules
	selection selectFlags
	secrets   secretFlags
}

func (o *renewOptions) groups() []group { return []group{&o.selection, &o.secrets} }

func (o *renewOptions) addFlags(*flags.Set) {}

func (o *renewOptions) run(ctx context.Context, std streams, args []string) error {
	fleet, err := o.selection.reading.load(ctx, args)
	if err != nil {
		return err
	}
	hosts, err := o.selection.hosts(std, fleet)
	if err != nil {
		return err
	}
	ending := fleet.EndingCertificates(hosts, time.Now())
	if len(ending) == 0 {
		fmt.Fprintln(std.out, "nothing to renew: no certificate of the cluster ends soon")
		return nil
	}
	return renew(std, fleet, &o.secrets, ending)
}

// renew makes certificates anew.
func renew(std streams, fleet *schema.Fleet, secrets *secretFlags, ending []schema.EndingCertificate) error {
	k := &keeper{fleet: fleet, hosts: fleet.Hosts, reader: secrets.reader(fleet.Dir), std: std, authorities: map[string][]byte{}}
	for _, e := range ending {
		if err := k.certify(e.Secret); err != nil {
			return err
		}
	}
	return nil
}

// renewCertificates makes the cluster's certificates of the session's hosts anew that end
// soon, so that the run brings them there. Where that cannot be done here, it is told, and
// the run goes on: they have not ended yet, or are what is to be mended.
func (s *session) renewCertificates(secrets *secretFlags) {
	ending := s.fleet.EndingCertificates(s.hosts, time.Now())
	if len(ending) == 0 {
		return
	}
	quiet := s.std
	quiet.out = new(bytes.Buffer)
	if err := renew(quiet, s.fleet, secrets, ending); err != nil {
		s.note("of the cluster's certificates, %d end soon, the first on %s, and could not be renewed: %v", len(ending), firstEnd(ending), err)
		return
	}
	s.note("renewed %s, the first of which was to end on %s: commit the files in %s", human.Count(len(ending), "cluster certificate"), firstEnd(ending), s.fleet.Kluster.PKI)
}

// firstEnd is the day on which the first of some certificates ends.
func firstEnd(ending []schema.EndingCertificate) string {
	first := ending[0].Ends
	for _, e := range ending[1:] {
		if e.Ends.Before(first) {
			first = e.Ends
		}
	}
	return first.UTC().Format(time.DateOnly)
}

// printEnding prints which of the cluster's certificates in the inventory end soon, and
// reports whether none does.
func printEnding(w io.Writer, fleet *schema.Fleet) (well bool) {
	ending := fleet.EndingCertificates(fleet.Hosts, time.Now())
	if len(ending) == 0 {
		return true
	}
	fmt.Fprintf(w, "  certificates: %d in %s end soon, the first on %s (%s of %s): muster deploy renews them\n", len(ending), fleet.Kluster.PKI, firstEnd(ending), ending[0].Secret.Name, ending[0].Host.Name)
	return false
}
