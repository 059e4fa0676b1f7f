package cmd

import (
	"muster/cmd/flags"
	"muster/cmd/ui"
)

// An outputFlag says how a run is reported.
type outputFlag struct {
	noRules
	format string
}

// The formats of a report.
const (
	outputText = "text"
	outputJSON = "json"
)

func (f *outputFlag) addFlags(fs *flags.Set) {
	fs.Var(flags.OneOf(&f.format, outputText, outputJSON), "output", "report as `format`: %s; json is one event a line")
}

// reporter reports a run as the flag says.
func (f *outputFlag) reporter(s *session) ui.Reporter {
	if f.format == outputJSON {
		return ui.NewJSON(s.std.out)
	}
	return ui.NewText(s.std.out, s.std.err, hint)
}
