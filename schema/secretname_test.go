package schema

import (
	"strings"
	"testing"
)

// Saved plans are held to the names that the schema allows.
func TestSecretNamesAreThoseOfTheSchema(t *testing.T) {
	if want := `#SecretName: =~"` + secretNames().String() + `"`; !strings.Contains(schemaText, want) {
		t.Errorf("schema.cue has no %s", want)
	}
}
