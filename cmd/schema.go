package cmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"muster/schema"
)

type schemaOptions struct {
	json bool
}

func (o *schemaOptions) addFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.json, "json-schema", false, "print a JSON Schema, for editors of TOML, YAML and JSON")
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

type initOptions struct{}

func (o *initOptions) addFlags(*pflag.FlagSet) {}

func (o *initOptions) run(ctx context.Context, std streams, args []string) error {
	for _, other := range []string{"hosts.toml", "hosts.yaml", "hosts.yml", "hosts.json"} {
		if _, err := os.Stat(filepath.Join(inventory(args), other)); err == nil {
			return usageError{fmt.Errorf("init: there is an inventory already, %s, which hosts.cue would take the place of", other)}
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
