package cmd

import (
	"context"
	"io"

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
