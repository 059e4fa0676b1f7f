package schema

import (
	"context"
	"fmt"

	"cuelang.org/go/mod/modfile"
	"cuelang.org/go/mod/module"
)

// noModules is a registry of CUE modules that has none: reading an inventory
// fetches nothing and writes to no cache of modules.
type noModules struct{}

func (noModules) ModFile(_ context.Context, m module.Version) (*modfile.File, error) {
	return nil, noModule(m.String())
}

func (noModules) Fetch(_ context.Context, m module.Version) (module.SourceLoc, error) {
	return module.SourceLoc{}, noModule(m.String())
}

func (noModules) ModuleVersions(_ context.Context, path string) ([]string, error) {
	return nil, noModule(path)
}

func noModule(name string) error {
	return fmt.Errorf("module %s is not fetched", name)
}
