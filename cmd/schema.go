package cmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"muster/cmd/flags"
	"muster/schema"
)

// schemaOptions are those of schema, which prints the schema of inventories.
type schemaOptions struct {
	noRules
	json bool
}

func (o *schemaOptions) groups() []group { return nil }

func (o *schemaOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Bool(&o.json, false), "json-schema", "print a JSON Schema, for editors of TOML, YAML and JSON")
}

func (o *schemaOptions) run(ctx context.Context, std streams, args []string) error {
	text := schema.CUE()
	if o.json {
		var err error
		if text, err = schema.JSONSchema(); err != nil {
			return err
		}
	}
	_, err := io.WriteString(std.out, text)
	return err
}

// initOptions are those of init, which writes an inventory to begin with.
type initOptions struct{ noRules }

func (o *initOptions) groups() []group { return nil }

func (o *initOptions) addFlags(*flags.Set) {}

func (o *initOptions) run(ctx context.Context, std streams, args []string) error {
	for _, other := range []string{"hosts.toml", "hosts.yaml", "hosts.yml", "hosts.json"} {
		if _, err := os.Stat(filepath.Join(inventory(args), other)); err == nil {
			return usageError{fmt.Errorf("init: %s is an inventory already, and hosts.cue would take its place", other)}
		}
	}
	files, err := schema.Init(inventory(args))
	if err != nil {
		return err
	}
	for _, f := range files {
		fmt.Fprintf(std.out, "wrote %s\n", f)
	}
	return nil
}
