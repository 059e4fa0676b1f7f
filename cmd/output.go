package cmd

import (
	"muster/cmd/flags"
	"muster/cmd/ui"
)

// An outputFlag says how a run is reported.
type outputFlag struct {
	noRules
	format string
	color  colorFlag
}

// parts are the flags that go with it.
func (f *outputFlag) parts() []group { return []group{&f.color} }

// A colorFlag says whether what is printed has colours.
type colorFlag struct {
	noRules
	color ui.Color
}

func (f *colorFlag) addFlags(fs *flags.Set) {
	fs.Var(flags.OneOf(&f.color, ui.ColorAuto, ui.ColorAlways, ui.ColorNever), "color",
		"print in colours: %s; auto is on a terminal, unless NO_COLOR is set")
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
	return ui.NewText(s.std.out, s.std.err, hint, f.color.color)
}
