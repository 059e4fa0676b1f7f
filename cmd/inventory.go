package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/schema"
)

// inventoryOptions are those of inventory list, show and get.
type inventoryOptions struct {
	noRules
	verb      string
	selection selectFlags
	json      bool
}

func (o *inventoryOptions) groups() []group {
	if o.verb == "get" {
		return []group{&o.selection.reading}
	}
	return []group{&o.selection}
}

func (o *inventoryOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Bool(&o.json, false), "json", "print JSON")
}

func (o *inventoryOptions) run(ctx context.Context, std streams, args []string) error {
	path := ""
	if o.verb == "get" {
		path, args = args[0], args[1:]
	}
	fleet, err := o.selection.reading.load(ctx, args)
	if err != nil {
		return err
	}
	hosts, err := o.selection.hosts(std, fleet)
	if err != nil {
		return err
	}
	if o.verb == "list" {
		return o.list(std, hosts)
	}
	selected := *fleet
	selected.Hosts = hosts
	value, err := schema.Inspect(&selected, path)
	if err != nil {
		return usageError{err}
	}
	leaves := schema.Leaves(value, path)
	switch {
	case o.json && o.verb == "get":
		return printIndented(std, schema.JSON(value))
	case o.json:
		return ui.JSON(std.out, leavesJSON(leaves))
	case o.verb == "get" && len(leaves) == 1 && leaves[0].Path == path:
		// A single value is printed bare, for scripts.
		fmt.Fprintln(std.doc, bareText(leaves[0].Text))
		return nil
	}
	t := ui.NewTable(std.out, "path", "value", "from")
	for _, l := range leaves {
		from := "default"
		if l.At.IsValid() {
			from = l.At.String()
		}
		t.Row(l.Path, ui.Clip(l.Text, 40), from)
	}
	t.Flush()
	return nil
}

// leavesJSON are leaves as JSON, with their values and places.
func leavesJSON(leaves []schema.Leaf) []any {
	type leaf struct {
		Path  string          `json:"path"`
		Value json.RawMessage `json:"value"`
		At    string          `json:"at,omitempty"` // absent for a default of muster's
	}
	list := []any{}
	for _, l := range leaves {
		one := leaf{Path: l.Path, Value: json.RawMessage(l.Text)}
		if l.At.IsValid() {
			one.At = l.At.String()
		}
		list = append(list, one)
	}
	return list
}

// list prints a line for each host.
func (o *inventoryOptions) list(std streams, hosts []*schema.Host) error {
	if o.json {
		type host struct {
			Name    string   `json:"host"`
			Address string   `json:"address"`
			System  string   `json:"system"`
			Roles   []string `json:"roles"`
			Tags    []string `json:"tags"`
			At      string   `json:"at"`
		}
		list := []host{}
		for _, h := range hosts {
			list = append(list, host{
				Name: h.Name, Address: h.Address, System: h.System,
				Roles: append([]string{}, h.Roles...), Tags: append([]string{}, h.Tags...), At: h.At.String(),
			})
		}
		return ui.JSON(std.out, list)
	}
	t := ui.NewReport(std.out, "host", "address", "system", "roles", "tags", "from")
	for _, h := range hosts {
		t.Row(h.Name, addresses(h), h.System, strings.Join(h.Roles, " "), strings.Join(h.Tags, " "), h.At.String())
	}
	t.Flush()
	return nil
}

// addresses are the addresses of a host in one text. Port and user of a single one are
// fields of their own.
func addresses(h *schema.Host) string {
	if h.AddressOption != nil {
		return h.AddressOption.String()
	}
	if len(h.Others) == 0 {
		return h.Address
	}
	var all []string
	for _, w := range h.Ways() {
		all = append(all, w.String())
	}
	return strings.Join(all, ", ")
}

func printIndented(std streams, data []byte) error {
	var v any
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return err
	}
	return ui.JSON(std.out, v)
}

// bareText is a JSON string without its quotes, or any other JSON unchanged.
func bareText(text string) string {
	var s string
	if json.Unmarshal([]byte(text), &s) == nil {
		return s
	}
	return text
}
