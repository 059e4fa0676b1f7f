package cmd

import (
	"fmt"
	"os"
	"time"

	"muster/cmd/flags"
	"muster/exec/objectstore"
	"muster/schema"
)

// objectURL is the kind of the URL of a store that has releases.
var objectURL = flags.Kind[string]{
	Name: "object store URL",
	Want: "s3://BUCKET?endpoint=HOST, https://HOST/PATH, ssh://HOST/PATH or file:///PATH",
	Parse: func(text string) (string, error) {
		_, err := parsed(objectstore.Open(text, objectstore.Options{}))
		return text, err
	},
}

// keyName is the kind of the name of a key.
var keyName = matching("key name", "the name of a key, such as fleet-1", `[A-Za-z0-9][A-Za-z0-9._-]{0,62}`)

// moment is the kind of a point in time.
var moment = flags.Kind[time.Time]{
	Name:  "moment",
	Want:  "a time such as 2026-11-30T04:00:00Z",
	Parse: func(text string) (time.Time, error) { return parsed(time.Parse(time.RFC3339, text)) },
}

// storeAuth is the variable with the credentials of a store that is reached by HTTP.
const storeAuth = "MUSTER_STORE_AUTH"

// storeFlags name the store that has releases.
type storeFlags struct{ url string }

func (f *storeFlags) addFlag(fs *flags.Set, name, usage string) {
	fs.Var(flags.Of(&f.url, "", objectURL), name, usage)
}

// open returns the store. Its credentials come from the environment. The machine of one at ssh:// is reached by wireStore;
// done closes the connections.
func (f *storeFlags) open(ssh *sshFlags, std streams, fleet func() *schema.Fleet) (_ objectstore.Store, done func(), err error) {
	reach, done := wireStore(ssh, std, fleet)
	s, err := objectstore.Open(f.url, objectstore.Options{Authorization: os.Getenv(storeAuth), Connect: reach})
	if err != nil {
		done()
		return nil, nil, fmt.Errorf("open the store of releases: %w", err)
	}
	return s, done, nil
}
