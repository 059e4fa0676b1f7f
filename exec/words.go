package exec

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"muster/compile/store"
	"muster/exec/human"
	"muster/exec/ondemand"
	"muster/exec/strictjson"
	"muster/schema"
)

// What a plan and a journal may hold is checked as an inventory is: what is not known is refused with its place.

// A savedName is the name of a host, or HOST:PROFILE for one of its profiles. Files are named after hosts, so it is no path.
type savedName string

// A savedWord is a text that reaches programs as one argument: an address, a user.
type savedWord string

var hostNameText = ondemand.Regexp(`^(([A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?|[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)(:[A-Za-z0-9][A-Za-z0-9_-]{0,62})?$`)

// checks say what is wrong with a text of a type.
var checks = map[reflect.Type]func(text string) string{
	reflect.TypeFor[Action](): func(text string) string {
		if _, ok := stages[Action(text)]; !ok {
			return fmt.Sprintf("unknown action %q", clipWord(text))
		}
		return ""
	},
	reflect.TypeFor[Stage]():              oneOf(slices.Concat(knownStages(), []Stage{""})...),
	reflect.TypeFor[Status]():             oneOf(Statuses...),
	reflect.TypeFor[schema.Policy]():      oneOf(schema.Required, schema.BestEffort, schema.Roaming, ""),
	reflect.TypeFor[schema.Privilege]():   oneOf(schema.Root, schema.Sudo, schema.SudoPassword, schema.Doas, schema.Run0, schema.Command, ""),
	reflect.TypeFor[schema.FailedUnits](): oneOf(schema.NewFailures, schema.AnyFailures, schema.NoFailures, ""),
	reflect.TypeFor[schema.BuildOn](): func(text string) string {
		if text != "" && !hostNameText().MatchString(text) {
			return fmt.Sprintf("want local, target or the name of a host, not %q", clipWord(text))
		}
		return ""
	},
	reflect.TypeFor[store.Path](): func(text string) string {
		if text == "" {
			return ""
		}
		if _, err := store.ParsePath(text); err != nil {
			return fmt.Sprintf("want a store path, not %q", clipWord(text))
		}
		return ""
	},
	reflect.TypeFor[savedName](): func(text string) string {
		if !hostNameText().MatchString(text) {
			return fmt.Sprintf("want the name of a host: letters, digits, hyphens, underscores and dots, not %q", clipWord(text))
		}
		return ""
	},
	reflect.TypeFor[savedWord](): func(text string) string {
		if strings.HasPrefix(text, "-") || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
			return fmt.Sprintf("want a word, not %q", clipWord(text))
		}
		return ""
	},
}

func init() {
	checks[reflect.TypeFor[hookStage]()] = oneOf(append(hookStageNames(), "")...)
}

// A hookStage is the stage before or after which a hook runs.
type hookStage string

func hookStageNames() []hookStage {
	var names []hookStage
	for _, name := range hookStages {
		names = append(names, hookStage(name))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func knownStages() []Stage {
	all := []Stage{Evaluate}
	for s := range work {
		all = append(all, s)
	}
	slices.Sort(all)
	return all
}

// oneOf is the check of a type that has these values.
func oneOf[T ~string](known ...T) func(string) string {
	return func(text string) string {
		if slices.Contains(known, T(text)) {
			return ""
		}
		var words []string
		for _, w := range known {
			if w != "" {
				words = append(words, string(w))
			}
		}
		return fmt.Sprintf("unknown value %q: want %s", clipWord(text), strings.Join(words, ", "))
	}
}

// clipWord shortens a word that a message quotes.
func clipWord(text string) string { return human.Clip(text, 60) }

// limitsOf are the limits of a saved text whose value takes at most so many bytes.
func limitsOf(memory int64) strictjson.Limits {
	return strictjson.Limits{
		Memory: memory,
		Check: func(of reflect.Type, text string) string {
			if check := checks[of]; check != nil {
				return check(text)
			}
			return ""
		},
		As: map[reflect.Type]reflect.Type{reflect.TypeFor[savedSteps](): reflect.TypeFor[[]savedStep]()},
	}
}
